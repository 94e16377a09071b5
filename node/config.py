"""The node's configuration: the indexer's, and what trading needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args
from zoneinfo import ZoneInfo

from contracts.typed_data import BadAddress, parse_address
from indexer.config import Environment, IndexerConfig, natural, positive, seconds

Trading: TypeAlias = Literal["auction", "continuous"]
Keeper: TypeAlias = Literal["file", "web3signer", "rpc", "aws-kms"]


def _trading(text: str) -> Trading:
    for way in get_args(Trading):
        if text == way:
            return cast(Trading, way)
    raise ValueError("must be auction or continuous")


def _keeper(text: str) -> Keeper:
    for keeper in get_args(Keeper):
        if text == keeper:
            return cast(Keeper, keeper)
    raise ValueError("must be file, web3signer, rpc or aws-kms")


def _time_of_day(text: str) -> int:
    hours, colon, minutes = text.partition(":")
    if not colon or not (hours.isdigit() and minutes.isdigit()) or int(hours) > 23 or int(minutes) > 59:
        raise ValueError("must be a time as HH:MM")
    return int(hours) * 3_600 + int(minutes) * 60


def _http_url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("must be an address like https://host:port")
    return text


def _region(text: str) -> str:
    # It becomes a part of the host's name.
    if not text.replace("-", "").isalnum() or not text.isascii():
        raise ValueError("must be a region like eu-central-1")
    return text


def _time_zone(text: str) -> str:
    try:
        return ZoneInfo(text).key
    except (LookupError, OSError, ValueError) as error:
        raise ValueError("must be an IANA time zone, such as Europe/Berlin") from error


def _slot_length(text: str) -> int:
    seconds = positive(text)
    if 3_600 % seconds:
        raise ValueError("must divide an hour")
    return seconds


def _address(text: str) -> bytes:
    try:
        return parse_address(text)
    except BadAddress as error:
        raise ValueError(str(error)) from error


def _zones(text: str) -> tuple[int, ...]:
    return tuple(sorted({natural(part) for part in text.split(",")}))


@dataclass(frozen=True, slots=True)
class MarketRules:
    """What the market lets through and charges. Prices are micro-currency per kWh, energy Wh, times seconds."""

    slot_s: int
    """Length of a delivery slot."""
    gate_lead_s: int
    """The gate of a slot closes this long before delivery starts."""
    open_slots: int
    """How many slots ahead of the gate take orders."""
    price_min_per_kwh: int
    """The lowest limit an order may have."""
    price_max_per_kwh: int
    """The highest limit an order may have."""
    tick_per_kwh: int
    """Limits are whole multiples of it."""
    lot_wh: int
    """Quantities are whole multiples of it."""
    grid_fee_per_kwh: int
    """Paid by the buyer on what is delivered."""
    price_long_per_kwh: int
    """What the grid pays for energy fed in beyond what was sold."""
    price_short_per_kwh: int
    """What the grid charges for energy taken beyond what was bought."""
    carbon_g_per_kwh: int
    """Emission factor of the grid energy that local energy replaces."""
    reading_grace_s: int
    """How long after a slot's end a reading may still arrive before its meter counts as missing."""
    reading_gap_s: int
    """Two readings further apart than this do not prove a register between them."""
    trading: Trading = "auction"
    """Until the gate, orders wait in a sealed book for the auction, or trade with each other as they come; what is
    left of them then goes into the closing auction."""
    day_ahead_gate_s: int | None = None
    """Seconds after midnight, by the clock of ``time_zone``, at which the gate closes on orders for the whole next day,
    which are cleared at once; None: there is no such session."""
    time_zone: str = "UTC"
    """IANA name of the zone whose days the market counts by."""
    final_after_s: int = 604_800
    """How long after a slot's end late readings may still revise its settlement; then the last version is final."""

    @classmethod
    def read(cls, env: Environment) -> "MarketRules":
        return cls(
            slot_s=env.read("GRIDTRACE_SLOT_S", _slot_length, 900),
            gate_lead_s=env.read("GRIDTRACE_GATE_LEAD_S", natural, 300),
            open_slots=env.read("GRIDTRACE_OPEN_SLOTS", positive, 4),
            price_min_per_kwh=env.read("GRIDTRACE_PRICE_MIN_PER_KWH", int, -500_000),
            price_max_per_kwh=env.read("GRIDTRACE_PRICE_MAX_PER_KWH", int, 4_000_000),
            tick_per_kwh=env.read("GRIDTRACE_TICK_PER_KWH", positive, 100),
            lot_wh=env.read("GRIDTRACE_LOT_WH", positive, 1),
            grid_fee_per_kwh=env.read("GRIDTRACE_GRID_FEE_PER_KWH", natural, 20_000),
            price_long_per_kwh=env.read("GRIDTRACE_PRICE_LONG_PER_KWH", int, 60_000),
            price_short_per_kwh=env.read("GRIDTRACE_PRICE_SHORT_PER_KWH", int, 320_000),
            carbon_g_per_kwh=env.read("GRIDTRACE_CARBON_G_PER_KWH", natural, 380),
            reading_grace_s=env.read("GRIDTRACE_READING_GRACE_S", positive, 300),
            reading_gap_s=env.read("GRIDTRACE_READING_GAP_S", positive, 1_800),
            trading=env.read("GRIDTRACE_TRADING", _trading, "auction"),
            day_ahead_gate_s=env.optional("GRIDTRACE_DAY_AHEAD_GATE", _time_of_day),
            time_zone=env.read("GRIDTRACE_TIME_ZONE", _time_zone, "UTC"),
            final_after_s=env.read("GRIDTRACE_FINAL_AFTER_S", positive, 604_800),
        )

    def contradictions(self) -> list[str]:
        """What makes two rules contradict each other."""
        faults = []
        if self.price_min_per_kwh > self.price_max_per_kwh:
            faults.append("GRIDTRACE_PRICE_MIN_PER_KWH is above GRIDTRACE_PRICE_MAX_PER_KWH")
        if self.price_long_per_kwh > self.price_short_per_kwh:
            # Then being out of balance would pay.
            faults.append("GRIDTRACE_PRICE_LONG_PER_KWH is above GRIDTRACE_PRICE_SHORT_PER_KWH")
        if self.day_ahead_gate_s is not None and self.trading == "continuous":
            faults.append("GRIDTRACE_DAY_AHEAD_GATE needs GRIDTRACE_TRADING to be auction")
        return faults


@dataclass(frozen=True, slots=True)
class SignerConfig:
    """Where the operator's key is kept, and how much money it may send."""

    signer: Keeper
    """Who keeps the operator's key: a file, a web3signer (REST), any eth_signTransaction (rpc), or aws-kms."""
    operator_key_file: Path | None
    """Signs every transaction of the node: 0x-prefixed hex private key, or an Ethereum keystore v3 file. Needed by
    the signer file alone."""
    operator_key_password_file: Path | None
    """Password of the keystore, where the key file is one."""
    signer_url: str | None
    """Address of the signer; of aws-kms its endpoint, by default the region's."""
    signer_timeout_s: float
    """Real seconds that the signer has for an answer."""
    signer_ca_file: Path | None
    """PEM certificates that the signer's is trusted by, instead of the machine's."""
    signer_cert_file: Path | None
    """PEM certificate that the node shows to the signer."""
    signer_key_file: Path | None
    """PEM private key of that certificate."""
    signer_key_id: str | None
    """Key id, alias or ARN of the operator's key in aws-kms."""
    signer_region: str | None
    """Region of aws-kms."""
    signer_credentials_file: Path | None
    """Credentials for aws-kms, as the AWS command line writes them; read again for each signature."""
    signer_value_per_day: int
    """Wei that the operator's transactions may carry in a day (UTC)."""
    signer_day_file: Path | None
    """File that remembers the day's sum, where that is above 0."""

    @classmethod
    def read(cls, env: Environment) -> "SignerConfig":
        keeper: Keeper = env.read("GRIDTRACE_SIGNER", _keeper, "file")
        if keeper == "file":
            key_file: Path | None = env.read("GRIDTRACE_OPERATOR_KEY_FILE", Path)
        else:
            key_file = env.optional("GRIDTRACE_OPERATOR_KEY_FILE", Path)
        config = cls(
            signer=keeper,
            operator_key_file=key_file,
            operator_key_password_file=env.optional("GRIDTRACE_OPERATOR_KEY_PASSWORD_FILE", Path),
            signer_url=env.optional("GRIDTRACE_SIGNER_URL", _http_url),
            signer_timeout_s=env.read("GRIDTRACE_SIGNER_TIMEOUT_S", seconds, 5.0),
            signer_ca_file=env.optional("GRIDTRACE_SIGNER_CA_FILE", Path),
            signer_cert_file=env.optional("GRIDTRACE_SIGNER_CERT_FILE", Path),
            signer_key_file=env.optional("GRIDTRACE_SIGNER_KEY_FILE", Path),
            signer_key_id=env.optional("GRIDTRACE_SIGNER_KEY_ID", str),
            signer_region=env.optional("GRIDTRACE_SIGNER_REGION", _region),
            signer_credentials_file=env.optional("GRIDTRACE_SIGNER_CREDENTIALS_FILE", Path),
            signer_value_per_day=env.read("GRIDTRACE_SIGNER_VALUE_PER_DAY", natural, 0),
            signer_day_file=env.optional("GRIDTRACE_SIGNER_DAY_FILE", Path),
        )
        env.faults += config.missing()
        return config

    def missing(self) -> list[str]:
        """Settings that the chosen signer needs."""
        needed: dict[str, object] = {}
        if self.signer in ("web3signer", "rpc"):
            needed["GRIDTRACE_SIGNER_URL"] = self.signer_url
        if self.signer == "aws-kms":
            needed["GRIDTRACE_SIGNER_KEY_ID"] = self.signer_key_id
            needed["GRIDTRACE_SIGNER_REGION"] = self.signer_region
            needed["GRIDTRACE_SIGNER_CREDENTIALS_FILE"] = self.signer_credentials_file
        faults = [f"{name} is not set, and GRIDTRACE_SIGNER is {self.signer}" for name, it in needed.items() if not it]
        if self.signer_value_per_day and self.signer_day_file is None:
            faults.append("GRIDTRACE_SIGNER_VALUE_PER_DAY needs GRIDTRACE_SIGNER_DAY_FILE")
        return faults


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What the node needs. Keys stay in files; the configuration only names them."""

    indexer: IndexerConfig
    redis_url: str
    """Redis, as ``redis://host:port``: carries news between processes."""
    mqtt_url: str | None
    """MQTT broker of the meters, as ``mqtt://user:password@host:port`` or ``mqtts://``; none: no MQTT meters."""
    market: MarketRules
    zones: tuple[int, ...]
    """Grid zones in which this node runs a market."""
    areas_file: Path | None
    """Which of the zones trade with each other, on what terms (TOML); none: each zone is a market of its own."""
    operator: bytes
    """Account that sends the node's transactions; every process knows it, only the node holds its key."""
    grid_account: bytes
    """The grid supplier's account, counterparty of what local trade does not cover."""
    signer: SignerConfig
    gateway_key_file: Path
    """Signs readings of meters that cannot sign themselves."""
    readings_salt_file: Path
    """Secret from which the salt of every committed reading is derived."""
    meter_poll_s: float
    """Real seconds between two reads of a polled meter."""
    meter_buffer: Path | None = None
    """Folder in which readings are kept while the database is away; none: then nothing is acknowledged before it is
    in the database."""
    meter_buffer_bytes: int = 256 << 20
    """How much each process may keep there before senders have to wait."""
    documents_dir: Path | None = None
    """Where papers are kept; with ``ipfs_api_url`` the legal ones alone."""
    ipfs_api_url: str | None = None
    """RPC address of a Kubo node that keeps the papers that anyone may read."""
    meter_maps: Path | None = None
    """Folder with one's own device maps, beside the shipped ones."""
    meter_secrets_file: Path | None = None
    """TOML file with the HTTP headers of meters that ask for some, by host."""
    node_metrics_port: int | None = None
    """Local port on which the node answers Prometheus about its meters; none by default."""

    @classmethod
    def read(cls, env: Environment) -> "NodeConfig":
        config = cls(
            indexer=IndexerConfig.read(env),
            redis_url=env.read("REDIS_URL", str),
            mqtt_url=env.optional("MQTT_URL", str),
            market=MarketRules.read(env),
            zones=env.read("GRIDTRACE_ZONES", _zones, (1,)),
            areas_file=env.optional("GRIDTRACE_AREAS", Path),
            operator=env.read("GRIDTRACE_OPERATOR", _address),
            grid_account=env.read("GRIDTRACE_GRID_ACCOUNT", _address),
            signer=SignerConfig.read(env),
            gateway_key_file=env.read("GRIDTRACE_GATEWAY_KEY_FILE", Path),
            readings_salt_file=env.read("GRIDTRACE_READINGS_SALT_FILE", Path),
            meter_poll_s=env.read("GRIDTRACE_METER_POLL_S", float, 10.0),
            meter_buffer=env.optional("GRIDTRACE_METER_BUFFER", Path),
            meter_buffer_bytes=env.read("GRIDTRACE_METER_BUFFER_BYTES", positive, 256 << 20),
            documents_dir=env.optional("GRIDTRACE_DOCUMENTS_DIR", Path),
            ipfs_api_url=env.optional("IPFS_API_URL", str),
            meter_maps=env.optional("GRIDTRACE_METER_MAPS", Path),
            meter_secrets_file=env.optional("GRIDTRACE_METER_SECRETS_FILE", Path),
            node_metrics_port=env.optional("GRIDTRACE_NODE_METRICS_PORT", positive),
        )
        if not env.faults:  # after a fault the values cannot be compared
            env.faults += config.market.contradictions()
        return config

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "NodeConfig":
        """Reads and checks the whole configuration; raises ConfigError naming every fault."""
        env = Environment(variables)
        config = cls.read(env)
        env.check()
        return config
