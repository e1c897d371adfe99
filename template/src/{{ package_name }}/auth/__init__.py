"""Who may do what, by the bearer tokens of an OpenID Connect provider."""
