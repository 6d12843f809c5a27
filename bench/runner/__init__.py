"""Runs cells, in this process or in workers that survive a crash, and keeps one record each."""
