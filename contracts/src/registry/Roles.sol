// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title Role numbers in the AccessManager. 0 is its administrator, as in OpenZeppelin.
/// @dev Hot paths do not use the manager, whose answer costs 13,000 gas: `SettlementExchange.setSettler`,
/// `ProductionLedger.setAttester` and `Certificates.setIssuer` keep their own lists.
library Roles {
    /// @dev ParticipantRegistry: setParticipant(s), setMeter(s). ProductionLedger: setPowerCap, setSignatureRequired.
    uint64 internal constant REGISTRAR = 1;
    /// @dev PaymentToken: mint. Development networks only.
    uint64 internal constant FAUCET = 2;
    /// @dev SettlementExchange: pause; ProductionLedger: dismissAttester. Both only stop; going on is the administrator's.
    uint64 internal constant GUARDIAN = 3;
    /// @dev SettlementExchange: withdrawFees.
    uint64 internal constant TREASURER = 4;
    /// @dev ProductionLedger: correctRegister.
    uint64 internal constant CORRECTOR = 5;
    /// @dev Certificates: setIssuer.
    uint64 internal constant CERTIFIER = 6;
    /// @dev CarbonCredits: issue. Opening a vintage and its cap are the administrator's.
    uint64 internal constant CARBON_ISSUER = 7;
    /// @dev AssetFactory: createAsset. A forced transfer is the administrator's.
    uint64 internal constant ASSET_MANAGER = 8;
    /// @dev StakingPools: addPool, setPoolOpen. Taking free reserve out again is the administrator's.
    uint64 internal constant POOL_MANAGER = 10;
}
