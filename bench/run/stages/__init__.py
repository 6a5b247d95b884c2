"""The stages of a run, a file each: functions of an open run, in the order in which `run_experiment` calls them."""
