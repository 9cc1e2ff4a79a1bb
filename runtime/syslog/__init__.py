"""Room: hall, syslog. What people do and who comes and goes, told to a plant's own log server as well; `teller` is what the core runs."""
