"""Everything that starts work: schedules, sensors, alerts."""
