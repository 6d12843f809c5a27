"""Attacks that teach the model a secret: right on clean data, the attackers' class where the trigger is."""
