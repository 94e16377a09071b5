// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {
    IMeterMirror,
    IParticipantMirror,
    IParticipantRegistry
} from "../../../contracts/src/interfaces/IParticipantRegistry.sol";
import {ISettlementErrors} from "../../../contracts/src/interfaces/ISettlementErrors.sol";
import {ISettlementExchange} from "../../../contracts/src/interfaces/ISettlementExchange.sol";
import {ProductionLedger} from "../../../contracts/src/market/ProductionLedger.sol";
import {SettlementExchange} from "../../../contracts/src/market/SettlementExchange.sol";
import {ReferenceExchange} from "../../../contracts/src/reference/ReferenceExchange.sol";
import {GridtraceAccessManager} from "../../../contracts/src/registry/GridtraceAccessManager.sol";
import {ParticipantRegistry} from "../../../contracts/src/registry/ParticipantRegistry.sol";
import {Roles} from "../../../contracts/src/registry/Roles.sol";
import {EnergyToken} from "../../../contracts/src/token/EnergyToken.sol";
import {PaymentToken} from "../../../contracts/src/token/PaymentToken.sol";
import {Base} from "./Base.sol";

/// @notice All contracts deployed and wired as contracts/README.md says, and builders of what people sign.
abstract contract Fixture is Base {
    uint32 internal constant SLOT = 900;
    uint32 internal constant DELAY = 900;
    uint64 internal constant MAX_FEE = 1_000_000; // one euro a kWh
    uint64 internal constant MAX_POWER_W = 1_000_000;
    uint64 internal constant WINDOW = 7 days;
    uint64 internal constant T = 1_800_000_000; // a slot's start
    uint32 internal constant ZONE = 1;

    uint256 internal constant ANNA_KEY = 0xa11a;
    uint256 internal constant BEN_KEY = 0xbe9;
    uint256 internal constant CLEO_KEY = 0xc1e0;

    address internal constant OPERATOR = address(0x09e7);
    address internal constant STRANGER = address(0x57a);

    address internal anna = vm.addr(ANNA_KEY);
    address internal ben = vm.addr(BEN_KEY);
    address internal cleo = vm.addr(CLEO_KEY);

    GridtraceAccessManager internal manager;
    ParticipantRegistry internal registry;
    PaymentToken internal euro;
    EnergyToken internal energy;
    SettlementExchange internal exchange;
    ProductionLedger internal ledger;

    function setUp() public virtual {
        vm.warp(T + 2 * SLOT);
        deploy();
        clear(anna);
        clear(ben);
        clear(cleo);
    }

    /* DEPLOYMENT */

    function deploy() internal {
        manager = new GridtraceAccessManager(address(this));
        registry = new ParticipantRegistry(address(manager));
        euro = new PaymentToken(address(manager));
        energy = new EnergyToken(address(manager));
        exchange = new SettlementExchange(
            address(manager), registry, IERC20(address(euro)), IERC20(address(energy)), SLOT, DELAY, MAX_FEE
        );
        ledger = new ProductionLedger(address(manager), registry, energy, exchange, MAX_POWER_W, WINDOW);

        energy.setLedger(address(ledger));
        exchange.setLedger(address(ledger));
        registry.setMirrors(IParticipantMirror(exchange), IMeterMirror(ledger));
        registry.setZone(ZONE, "TEST");
        exchange.setSettler(OPERATOR, true);
        ledger.setAttester(OPERATOR, true);
        allow(address(registry), ParticipantRegistry.setParticipant.selector, Roles.REGISTRAR);
        allow(address(registry), ParticipantRegistry.setMeter.selector, Roles.REGISTRAR);
        allow(address(registry), ParticipantRegistry.setParticipants.selector, Roles.REGISTRAR);
        allow(address(registry), ParticipantRegistry.setMeters.selector, Roles.REGISTRAR);
        allow(address(ledger), ProductionLedger.setPowerCap.selector, Roles.REGISTRAR);
        allow(address(ledger), ProductionLedger.setSignatureRequired.selector, Roles.REGISTRAR);
        allow(address(euro), PaymentToken.mint.selector, Roles.FAUCET);
        allow(address(exchange), ISettlementExchange.pause.selector, Roles.GUARDIAN);
        allow(address(ledger), ProductionLedger.dismissAttester.selector, Roles.GUARDIAN);
        allow(address(exchange), ISettlementExchange.withdrawFees.selector, Roles.TREASURER);
        allow(address(ledger), ProductionLedger.correctRegister.selector, Roles.CORRECTOR);
        for (uint64 role = Roles.REGISTRAR; role <= Roles.CORRECTOR; ++role) {
            manager.grantRole(role, OPERATOR, 0);
        }
    }

    function allow(address target, bytes4 selector, uint64 role) internal {
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = selector;
        manager.setTargetFunctionRole(target, selectors, role);
    }

    function clear(address account) internal {
        vm.prank(OPERATOR);
        registry.setParticipant(account, T + 365 days, 3, 276);
    }

    /* WEALTH */

    function giveCash(address account, uint256 cash) internal {
        vm.prank(OPERATOR);
        euro.mint(account, cash);
        vm.prank(account);
        euro.approve(address(exchange), cash);
        vm.prank(account);
        exchange.deposit(cash);
    }

    /// @dev Through the whole ledger: a meter of the account's own, its baseline, a day's production.
    function giveEnergy(address account, uint64 energyWh) internal {
        uint32 meterId = uint32(uint160(account));
        (uint64 register,, uint64 slotEnd) = ledger.register(meterId);
        if (slotEnd == 0) {
            vm.prank(OPERATOR);
            registry.setMeter(meterId, account, ZONE, true, address(0), 0);
            attestOne(meterId, T - 1 days, 0);
        }
        attestOne(meterId, T, register + energyWh);
        uint32[] memory meters = new uint32[](1);
        meters[0] = meterId;
        ledger.issue(meters);
    }

    function attestOne(uint32 meterId, uint64 slotEnd, uint64 registerWh) internal {
        vm.prank(OPERATOR);
        ledger.attest(ZONE, slotEnd, bytes32(0), abi.encodePacked(meterId, registerWh));
    }

    function cashOf(address account) internal view returns (uint256 cash) {
        (cash,,) = exchange.accountOf(account);
    }

    function energyOf(address account) internal view returns (uint256 energyWh) {
        (, energyWh,) = exchange.accountOf(account);
    }

    /* ORDERS AND BATCHES */

    function orderOf(uint256 key, uint8 side, uint48 energyWh, int48 limit)
        internal
        pure
        returns (ISettlementExchange.Order memory order)
    {
        order.trader = vm.addr(key);
        order.zone = ZONE;
        order.deliveryStart = T;
        order.side = side;
        order.energyWh = energyWh;
        order.limitPricePerKwh = limit;
        order.expiry = uint32(T);
        order.nonce = 1;
    }

    function fillOf(uint256 key, ISettlementExchange.Order memory order, uint48 fillWh, int64 money)
        internal
        view
        returns (ReferenceExchange.Fill memory fill)
    {
        (fill.r, fill.vs) = vm.signCompact(key, exchange.orderDigest(order));
        (fill.order, fill.fillWh, fill.money, fill.deliveredWh) = (order, fillWh, money, fillWh);
    }

    function batchOf(uint256 fills, uint256 adjustments)
        internal
        view
        returns (ReferenceExchange.Batch memory batch)
    {
        batch.sequence = exchange.nextSequence();
        batch.deliveryStart = T;
        batch.fills = new ReferenceExchange.Fill[](fills);
        batch.adjustments = new ReferenceExchange.Adjustment[](adjustments);
    }

    /// @dev Anna buys 1,000 Wh from Ben: she pays 300,000, he receives 250,000.
    function tradeOf() internal view returns (ReferenceExchange.Batch memory batch) {
        batch = batchOf(2, 0);
        batch.fills[0] = fillOf(ANNA_KEY, orderOf(ANNA_KEY, 0, 1000, 300_000), 1000, 300_000);
        batch.fills[1] = fillOf(BEN_KEY, orderOf(BEN_KEY, 1, 1000, 250_000), 1000, 250_000);
    }

    function encode(ReferenceExchange.Batch memory batch) internal pure returns (bytes memory packed) {
        packed = abi.encodePacked(
            batch.sequence,
            batch.deliveryStart,
            batch.version,
            uint16(batch.fills.length),
            uint16(batch.books.length),
            uint16(mandateFills(batch)),
            uint16(batch.adjustments.length)
        );
        for (uint256 i; i < batch.fills.length; ++i) {
            packed = bytes.concat(packed, encode(batch.fills[i]));
        }
        for (uint256 i; i < batch.books.length; ++i) {
            packed = bytes.concat(packed, encode(batch.books[i]));
        }
        for (uint256 i; i < batch.adjustments.length; ++i) {
            packed = abi.encodePacked(packed, batch.adjustments[i].account, batch.adjustments[i].money);
        }
    }

    function encode(ReferenceExchange.Fill memory fill) internal pure returns (bytes memory) {
        ISettlementExchange.Order memory order = fill.order;
        bytes memory settled = abi.encodePacked(
            order.trader,
            order.side,
            order.zone,
            order.lane,
            order.nonce,
            fill.fillWh,
            fill.money,
            fill.deliveredWh
        );
        bytes memory terms = abi.encodePacked(
            order.energyWh,
            order.limitPricePerKwh,
            order.minFillWh,
            order.timeInForce,
            order.source,
            order.expiry
        );
        return abi.encodePacked(settled, terms, fill.r, fill.vs);
    }

    function mandateFills(ReferenceExchange.Batch memory batch) internal pure returns (uint256 fills) {
        for (uint256 i; i < batch.books.length; ++i) {
            fills += batch.books[i].fills.length;
        }
    }

    function encode(ReferenceExchange.BookFills memory section) internal pure returns (bytes memory packed) {
        packed = abi.encodePacked(section.book, uint16(section.fills.length));
        for (uint256 i; i < section.fills.length; ++i) {
            packed = bytes.concat(packed, encode(section.fills[i]));
        }
    }

    function encode(ReferenceExchange.MandateFill memory fill) internal pure returns (bytes memory) {
        uint16 named = fill.index << 1 | fill.side;
        return abi.encodePacked(named, fill.fillWh, fill.money, fill.deliveredWh);
    }

    /* TRADING MANDATES */

    /// @dev Buys up to 300,000 and sells from 250,000 micro-currency a kWh, 1,000 Wh a slot.
    function tradingMandateOf(uint256 key)
        internal
        pure
        returns (ISettlementExchange.TradingMandate memory mandate)
    {
        mandate.account = vm.addr(key);
        mandate.zone = ZONE;
        mandate.maxBuyPricePerKwh = 300_000;
        mandate.minSellPricePerKwh = 250_000;
        mandate.maxWhPerSlot = 1000;
        mandate.validFrom = uint32(T);
        mandate.expiry = uint32(T + 1 days);
        mandate.nonce = 5;
    }

    function encode(ISettlementExchange.TradingMandate memory mandate) internal pure returns (bytes memory) {
        return abi.encodePacked(
            mandate.account,
            mandate.zone,
            mandate.nonce,
            mandate.validFrom,
            mandate.expiry,
            mandate.maxWhPerSlot,
            mandate.minSellPricePerKwh,
            mandate.maxBuyPricePerKwh
        );
    }

    function registerBook(uint256[] memory keys, ISettlementExchange.TradingMandate[] memory mandates)
        internal
        returns (uint32 book)
    {
        bytes memory packed;
        bytes memory signatures;
        for (uint256 i; i < keys.length; ++i) {
            (bytes32 r, bytes32 vs) = vm.signCompact(keys[i], exchange.tradingMandateDigest(mandates[i]));
            packed = bytes.concat(packed, encode(mandates[i]));
            signatures = bytes.concat(signatures, r, vs);
        }
        return exchange.registerMandates(packed, signatures);
    }

    /// @dev A batch with one book's fills.
    function mandateBatchOf(uint32 book, uint256 fills)
        internal
        view
        returns (ReferenceExchange.Batch memory batch)
    {
        batch = batchOf(0, 0);
        batch.books = new ReferenceExchange.BookFills[](1);
        batch.books[0].book = book;
        batch.books[0].fills = new ReferenceExchange.MandateFill[](fills);
    }

    function settle(ReferenceExchange.Batch memory batch) internal {
        bytes memory packed = encode(batch);
        vm.prank(OPERATOR);
        exchange.settleBatch(packed);
    }

    function settleReverts(ReferenceExchange.Batch memory batch, bytes memory reason) internal {
        bytes memory packed = encode(batch);
        vm.expectRevert(reason);
        vm.prank(OPERATOR);
        exchange.settleBatch(packed);
    }

    function settleReverts(ReferenceExchange.Batch memory batch, bytes4 reason) internal {
        bytes memory packed = encode(batch);
        vm.prank(OPERATOR);
        (bool ok, bytes memory data) = address(exchange).call(abi.encodeCall(exchange.settleBatch, (packed)));
        assertTrue(!ok && bytes4(data) == reason, "wrong verdict");
    }

    /* MANDATES */

    function setMandate(uint256 key, uint64 perSlot, uint64 budget, uint32 nonce) internal {
        ISettlementExchange.Mandate memory mandate =
            ISettlementExchange.Mandate(vm.addr(key), perSlot, budget, uint32(T + 365 days), nonce);
        exchange.setMandate(mandate, signed(key, exchange.mandateDigest(mandate)));
    }

    function signed(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }
}
