"""Opens the operator's signer, whoever keeps the key, behind the policy."""

import logging

from contracts.addresses import Deployment
from contracts.typed_data import checksum
from node.config import SignerConfig
from node.errors import Refused
from node.signers.aws_kms import AwsKms, credentials_in
from node.signers.http import Http
from node.signers.policy import Guarded, policy
from node.signers.remote import RpcSigner, Web3Signer
from node.wallet import KeyFileSigner, Signer, refuse_dev_key

logger = logging.getLogger(__name__)


class WrongOperatorKey(Refused):
    """The operator's key file belongs to another account than the configured operator."""

    code = "wrong-operator-key"


def open_signer(config: SignerConfig, operator: bytes, chain_id: int, deployment: Deployment) -> Signer:
    """The signer of the operator's transactions to these contracts. Blocks while a far signer is asked for its key.

    Raises:
        WrongOperatorKey, WrongSignature: the key is not the operator's.
        KeyUnusable, DevKeyRefused: of a key file.
        SignerUnavailable, SignerRefused: of a key that another machine keeps.
    """
    refuse_dev_key(operator, chain_id)
    signer = _kept_in_a_file(config, operator, chain_id) if config.signer == "file" else _far(config, operator)
    logger.info("operator %s signs by %s", checksum(operator), config.signer)
    return Guarded(signer, policy(chain_id, deployment, config.signer_value_per_day, config.signer_day_file))


def _kept_in_a_file(config: SignerConfig, operator: bytes, chain_id: int) -> Signer:
    assert config.operator_key_file is not None, "the configuration demands it"
    signer = KeyFileSigner.open(config.operator_key_file, config.operator_key_password_file, chain_id=chain_id)
    if signer.address != operator:
        raise WrongOperatorKey(
            f"{config.operator_key_file} is the key of {checksum(signer.address)}, the operator is {checksum(operator)}"
        )
    return signer


def _far(config: SignerConfig, operator: bytes) -> Signer:
    http = Http(
        config.signer_url or f"https://kms.{config.signer_region}.amazonaws.com",
        config.signer_timeout_s,
        ca_file=config.signer_ca_file,
        cert_file=config.signer_cert_file,
        key_file=config.signer_key_file,
    )
    if config.signer == "rpc":
        return RpcSigner(http, operator)
    if config.signer == "web3signer":
        web3signer = Web3Signer(http, operator)
        web3signer.open()
        return web3signer
    credentials_file, key_id, region = config.signer_credentials_file, config.signer_key_id, config.signer_region
    assert credentials_file is not None and key_id and region, "the configuration demands it"
    kms = AwsKms(http, operator, key_id=key_id, region=region, credentials=lambda: credentials_in(credentials_file))
    kms.open()
    return kms
