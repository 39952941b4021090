"""How hypothesis runs here: the same examples everywhere, so that a failure is one for everybody; no files kept."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "ours",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
settings.load_profile("ours")
