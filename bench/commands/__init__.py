"""What each verb of the command line does and shows; imported only when the verb is used."""
