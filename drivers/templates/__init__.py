"""Templates of devices: their registers or nodes as data, with answers recorded beside them that run as tests.

Room: ground. `runtime.config` expands a device that names one; the verb `templates` lists, shows and tests them. The files are `*.toml`
here, or in a folder of one's own.
"""

from drivers.templates.library import Library, built_in_names
from drivers.templates.template import Template, expanded, parse_template
from drivers.templates.trial import Trial, try_template

__all__ = ["Library", "Template", "Trial", "built_in_names", "expanded", "parse_template", "try_template"]
