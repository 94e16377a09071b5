// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title Role numbers in the AccessManager. 0 is its administrator, as in OpenZeppelin.
/// @dev The two hot paths do not use the manager: `SettlementExchange.setSettler` and `ProductionLedger.setAttester`
/// keep their own list, which only the administrator can change.
library Roles {
    /// @dev ParticipantRegistry: setParticipant, setMeter.
    uint64 internal constant REGISTRAR = 1;
    /// @dev PaymentToken: mint. Development networks only.
    uint64 internal constant FAUCET = 2;
    /// @dev SettlementExchange: pause. Resuming is the administrator's.
    uint64 internal constant GUARDIAN = 3;
    /// @dev SettlementExchange: withdrawFees.
    uint64 internal constant TREASURER = 4;
    /// @dev ProductionLedger: correctRegister.
    uint64 internal constant CORRECTOR = 5;
}
