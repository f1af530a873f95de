"""Floor 3: intake, lanes, dispatch, settling, retry, breaker, recovery, janitor."""
