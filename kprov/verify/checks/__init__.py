"""One check per file: ID and TITLE name it, `questions` says what is asked, `judge` turns answers into a Check."""
