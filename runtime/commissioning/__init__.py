"""Commissioning: looking at devices before they are configured, and drafts of the configuration that come of it.

Room: hall. `app` answers faces through `desk`; the command line calls the same files directly. It reads devices and never writes to them;
a draft changes nothing until the door's `config.edit` puts it in force.
"""
