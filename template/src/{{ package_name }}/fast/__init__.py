"""Fast paths: the hottest routes, answered in fewer steps than the ordinary ones take."""
