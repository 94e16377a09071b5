// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IAssetFactory} from "../../../contracts/src/interfaces/IAssetFactory.sol";
import {IParticipantRegistry} from "../../../contracts/src/interfaces/IParticipantRegistry.sol";
import {Roles} from "../../../contracts/src/registry/Roles.sol";
import {GovernanceBase} from "./GovernanceBase.sol";

/// @notice Every function of every contract that is not for all, with the role that may call it without a vote.
/// @dev tests/contracts/test_privileges.py compares the list with the sources.
abstract contract GovernanceCalls is GovernanceBase {
    /// @param role 0 where only a vote may call it.
    struct Privileged {
        address target;
        bytes data;
        uint64 role;
    }

    mapping(address gain => Privileged[]) private _lists;
    Privileged[] private _calls;

    /// @dev Calls that would be to the gain of `gain`.
    function privileged(address gain) internal returns (Privileged[] storage list) {
        list = _lists[gain];
        if (list.length == 0) {
            delete _calls;
            collect(gain);
            for (uint256 i; i < _calls.length; ++i) {
                list.push(_calls[i]);
            }
        }
    }

    function collect(address gain) private {
        ofMarket(gain);
        ofRegistry(gain);
        ofTokens(gain);
        ofAssetsAndProvenance(gain);
        address[10] memory managed = managedContracts();
        for (uint256 i; i < managed.length; ++i) {
            add(managed[i], abi.encodeCall(exchange.setAuthority, (gain)), 0);
        }
        ofManager(gain);
        ofTimelockAndGovernor(gain);
    }

    function add(address target, bytes memory data, uint64 role) private {
        _calls.push(Privileged(target, data, role));
    }

    function ofMarket(address gain) private {
        add(address(exchange), abi.encodeCall(exchange.pause, ()), Roles.GUARDIAN);
        add(address(exchange), abi.encodeCall(exchange.unpause, ()), 0);
        add(address(exchange), abi.encodeCall(exchange.setSettler, (gain, true)), 0);
        add(address(exchange), abi.encodeCall(exchange.setLedger, (gain)), 0);
        add(address(exchange), abi.encodeCall(exchange.withdrawFees, (gain, 1)), Roles.TREASURER);
        add(address(ledger), abi.encodeCall(ledger.setAttester, (gain, true)), 0);
        add(address(ledger), abi.encodeCall(ledger.dismissAttester, (gain)), Roles.GUARDIAN);
        add(address(ledger), abi.encodeCall(ledger.correctRegister, (1, 0, bytes32(0))), Roles.CORRECTOR);
        add(address(ledger), abi.encodeCall(ledger.setPowerCap, (1, 1)), Roles.REGISTRAR);
        add(address(ledger), abi.encodeCall(ledger.setSignatureRequired, (1, false)), Roles.REGISTRAR);
    }

    function ofRegistry(address gain) private {
        address r = address(registry);
        add(r, abi.encodeCall(registry.setMirrors, (registry.participantMirror(), registry.meterMirror())), 0);
        add(r, abi.encodeCall(registry.setZone, (7, "SEVEN")), 0);
        add(r, abi.encodeCall(registry.setParticipant, (gain, 1, 1, 1)), Roles.REGISTRAR);
        add(
            r,
            abi.encodeCall(registry.setParticipants, (new IParticipantRegistry.ParticipantEntry[](0))),
            Roles.REGISTRAR
        );
        add(r, abi.encodeCall(registry.setMeter, (9, gain, ZONE, true, gain, bytes32(0))), Roles.REGISTRAR);
        add(
            r, abi.encodeCall(registry.setMeters, (new IParticipantRegistry.MeterEntry[](0))), Roles.REGISTRAR
        );
    }

    function ofTokens(address gain) private {
        add(address(euro), abi.encodeCall(euro.mint, (gain, 1)), Roles.FAUCET);
        add(address(energy), abi.encodeCall(energy.setLedger, (gain)), 0);
        add(address(trace), abi.encodeCall(trace.mint, (gain, 1)), 0);
        add(address(pools), abi.encodeCall(pools.addPool, (1, 1, 1, 1)), Roles.POOL_MANAGER);
        add(address(pools), abi.encodeCall(pools.setPoolOpen, (0, false)), Roles.POOL_MANAGER);
        add(address(pools), abi.encodeCall(pools.defundPool, (0, gain, 1)), 0);
    }

    function ofAssetsAndProvenance(address gain) private {
        IAssetFactory.Asset memory asset;
        (asset.assetId, asset.owner, asset.supply, asset.name, asset.symbol) = (9, gain, 1, "A", "A");
        add(address(assets), abi.encodeCall(assets.createAsset, (asset)), Roles.ASSET_MANAGER);
        add(address(assets), abi.encodeCall(assets.forceTransfer, (1, anna, gain, 1, false, "")), 0);
        add(address(certificates), abi.encodeCall(certificates.setIssuer, (gain, 1)), Roles.CERTIFIER);
        add(address(carbon), abi.encodeCall(carbon.setVintage, (1, 2026, 1, bytes32(0))), 0);
        add(address(carbon), abi.encodeCall(carbon.issue, (gain, 1, 1, bytes32(0))), Roles.CARBON_ISSUER);
    }

    function ofManager(address gain) private {
        address m = address(manager);
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = exchange.unpause.selector;
        add(m, abi.encodeCall(manager.labelRole, (3, "mine")), 0);
        add(m, abi.encodeCall(manager.grantRole, (0, gain, 0)), 0);
        add(m, abi.encodeCall(manager.revokeRole, (0, address(timelock))), 0);
        add(m, abi.encodeCall(manager.setRoleAdmin, (3, 3)), 0);
        add(m, abi.encodeCall(manager.setRoleGuardian, (3, 3)), 0);
        add(m, abi.encodeCall(manager.setGrantDelay, (3, 1)), 0);
        add(m, abi.encodeCall(manager.setTargetFunctionRole, (address(exchange), selectors, 3)), 0);
        add(m, abi.encodeCall(manager.setTargetAdminDelay, (address(exchange), 1)), 0);
        add(m, abi.encodeCall(manager.setTargetClosed, (address(exchange), true)), 0);
        add(m, abi.encodeCall(manager.updateAuthority, (address(exchange), gain)), 0);
    }

    function ofTimelockAndGovernor(address gain) private {
        (address t, address g) = (address(timelock), address(governor));
        bytes memory grant = abi.encodeCall(manager.grantRole, (0, gain, 0));
        add(t, abi.encodeCall(timelock.schedule, (address(manager), 0, grant, 0, 0, TIMELOCK_DELAY)), 0);
        add(t, abi.encodeCall(timelock.cancel, (bytes32(uint256(1)))), 0);
        add(t, abi.encodeCall(timelock.grantRole, (timelock.PROPOSER_ROLE(), gain)), 0);
        add(g, abi.encodeCall(governor.setVotingDelay, (0)), 0);
        add(g, abi.encodeCall(governor.setVotingPeriod, (1)), 0);
        add(g, abi.encodeCall(governor.setProposalThreshold, (0)), 0);
        add(g, abi.encodeCall(governor.updateQuorumNumerator, (0)), 0);
        add(g, abi.encodeCall(governor.relay, (address(timelock), 0, abi.encode(gain))), 0);
    }

    function managedContracts() internal view returns (address[10] memory) {
        return [
            address(exchange),
            address(ledger),
            address(registry),
            address(euro),
            address(energy),
            address(trace),
            address(pools),
            address(assets),
            address(certificates),
            address(carbon)
        ];
    }

    /// @dev Everything that only administration may change, in one number.
    function administration() internal view returns (bytes32 digest) {
        address[4] memory accounts = [address(this), OPERATOR, GUARDIAN, STRANGER];
        for (uint256 i; i < accounts.length; ++i) {
            digest = keccak256(
                abi.encode(
                    digest,
                    exchange.isSettler(accounts[i]),
                    ledger.isAttester(accounts[i]),
                    rolesOf(accounts[i])
                )
            );
        }
        address[10] memory managed = managedContracts();
        for (uint256 i; i < managed.length; ++i) {
            digest = keccak256(abi.encode(digest, pools.authority(), manager.isTargetClosed(managed[i])));
            (bool ok, bytes memory authority) = managed[i].staticcall(abi.encodeCall(pools.authority, ()));
            assertTrue(ok, "authority");
            digest = keccak256(abi.encode(digest, authority));
        }
        digest = keccak256(
            abi.encode(
                digest,
                rolesOf(address(timelock)),
                exchange.ledger(),
                energy.ledger(),
                registry.participantMirror(),
                registry.meterMirror(),
                registry.zoneCode(7),
                trace.totalSupply(),
                manager.getTargetFunctionRole(address(exchange), exchange.unpause.selector)
            )
        );
        return keccak256(
            abi.encode(
                digest,
                timelock.getMinDelay(),
                governor.votingDelay(),
                governor.votingPeriod(),
                governor.proposalThreshold(),
                governor.quorumNumerator(),
                governor.timelock()
            )
        );
    }

    function rolesOf(address account) internal view returns (uint256 bits) {
        for (uint64 role; role <= 10; ++role) {
            (bool held,) = manager.hasRole(role, account);
            if (held) bits |= 1 << role;
        }
        bytes32[4] memory roles = [
            timelock.DEFAULT_ADMIN_ROLE(),
            timelock.PROPOSER_ROLE(),
            timelock.CANCELLER_ROLE(),
            timelock.EXECUTOR_ROLE()
        ];
        for (uint256 i; i < roles.length; ++i) {
            if (timelock.hasRole(roles[i], account)) bits |= 1 << (64 + i);
        }
    }
}
