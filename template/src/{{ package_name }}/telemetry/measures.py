"""All metrics, with the names of OpenTelemetry's semantic conventions; times are in seconds.

https://opentelemetry.io/docs/specs/semconv/. The values of labels are few and known beforehand:
each combination is a series that is kept for ever.
"""

# {% if telemetry == "prometheus" %}
from .prometheus import counter, gauge, histogram
# {% else %}
from .otlp import counter, gauge, histogram
# {% endif %}

POOL = "db.client.connection.pool.name"

REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

request_duration = histogram(
    "http.server.request.duration",
    "Duration of HTTP server requests.",
    REQUEST_SECONDS,
    "http.request.method",
    "http.route",
    "http.response.status_code",
)
deadlines_exceeded = counter(
    "http.server.deadlines_exceeded", "Requests whose response had not begun in time."
)
connection_count = gauge(
    "db.client.connection.count", "Connections of a pool.", POOL, "db.client.connection.state"
)
connection_max = gauge("db.client.connection.max", "Connections that a pool may have.", POOL)
pending_requests = gauge(
    "db.client.connection.pending_requests", "Tasks that wait for a connection.", POOL
)
wait_time = histogram(
    "db.client.connection.wait_time",
    "Time until a connection was free, where none was at once.",
    (0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 10),
    POOL,
)
use_seconds = counter(
    "db.client.connection.use_seconds", "Seconds that connections were in use, together.", POOL
)
uses = counter("db.client.connection.uses", "Sessions that gave a connection back.", POOL)
refusals = counter("db.client.connection.timeouts", "Tasks that got no connection.", POOL, "reason")
connections_created = counter("db.client.connections.created", "Connections that were made.", POOL)
connections_lost = counter(
    "db.client.connections.lost", "Connections that were lost or given up.", POOL
)
statement_timeouts = counter(
    "db.client.statement.timeouts", "Statements that were stopped for taking too long."
)
transaction_retries = counter("db.client.transaction.retries", "Transactions that were run again.")
# {% if http_client != "none" %}
upstream_duration = histogram(
    "http.client.request.duration",
    "Duration of HTTP client requests.",
    REQUEST_SECONDS,
    "http.response.status_code",
    "error.type",
)
upstream_active = gauge("http.client.active_requests", "Requests that wait for their answer.")
upstream_max = gauge("http.client.connection.max", "Requests that are sent at the same time.")
# {% endif %}
# {% if auth == "oidc" and http_client != "none" %}
provider_failures = counter(
    "auth.provider.failures", "Times that the provider of tokens gave no keys when asked."
)
# {% endif %}
event_loop_delay = histogram(
    "event_loop.delay", "Time that the event loop was late.", (0.001, 0.01, 0.05, 0.1, 0.5, 1, 5)
)
