from indexer.config import Environment
from node.config import NodeConfig
from node.deploy import Parameters

MARGIN_S = 1_800
"""For attestation, the batch, and an outage of some of the processes."""
MOST_DELAY_S = 3_600
"""The exchange refuses a longer one."""
FILES = ("OPERATOR_KEY_FILE", "GATEWAY_KEY_FILE", "READINGS_SALT_FILE", "DEPLOYMENT")
SETTINGS = {
    "DATABASE_URL": "postgresql://localhost/x",
    "RPC_URL": "http://localhost",
    "REDIS_URL": "redis://localhost",
    "GRIDTRACE_CHAIN_ID": "1",
    "GRIDTRACE_OPERATOR": "0x" + "11" * 20,
    "GRIDTRACE_GRID_ACCOUNT": "0x" + "12" * 20,
    **{f"GRIDTRACE_{name}": "unused" for name in FILES},
}


def test_parameters__withdrawal_announced_when_a_gate_closes__is_ready_after_the_slot_is_settled() -> None:
    env = Environment(SETTINGS)
    rules = NodeConfig.read(env).market
    env.check()
    settled_s = rules.gate_lead_s + rules.slot_s + rules.reading_grace_s
    assert settled_s + MARGIN_S <= Parameters().withdrawal_delay_s <= MOST_DELAY_S
    assert Parameters().slot_s == rules.slot_s
