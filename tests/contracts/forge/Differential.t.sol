// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ISettlementErrors} from "../../../contracts/src/interfaces/ISettlementErrors.sol";
import {ISettlementExchange} from "../../../contracts/src/interfaces/ISettlementExchange.sol";
import {ReferenceExchange} from "../../../contracts/src/reference/ReferenceExchange.sol";
import {Fixture} from "./Fixture.sol";

/// @notice 8: packed and reference settlement give the same verdict, the same error and the same state.
contract DifferentialTest is Fixture, ISettlementErrors {
    uint256 private constant BATCHES = 3;
    uint256 private constant LANES = 2;

    ReferenceExchange private model;
    uint256[3] private keys = [ANNA_KEY, BEN_KEY, CLEO_KEY];
    uint256 private seed;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < keys.length; ++i) {
            address account = vm.addr(keys[i]);
            giveCash(account, 1_000_000);
            giveEnergy(account, 5000);
            setMandate(keys[i], 2000, 5000, 1);
        }
        vm.prank(cleo);
        exchange.raiseNonce(2);
        model = new ReferenceExchange(domainSeparator(), SLOT, MAX_FEE, exchange.MAX_ENTRIES());
        for (uint256 i; i < keys.length; ++i) {
            address account = vm.addr(keys[i]);
            (uint256 cash, uint256 energyWh, uint48 minNonce) = exchange.accountOf(account);
            uint256 clearedUntil = exchange.clearanceOf(account);
            model.loadAccount(
                account, ReferenceExchange.Account(cash, energyWh, minNonce, clearedUntil, 0, 0, 0)
            );
            model.loadMandate(account, 2000, 5000, T + 365 days);
        }
        openBooks();
    }

    /// @dev The first book is in force in both slots, the second only in the earlier one. Cleo revoked some of hers.
    function openBooks() private {
        for (uint256 k; k < 2; ++k) {
            uint256[] memory signers = new uint256[](4);
            ISettlementExchange.TradingMandate[] memory mandates = new ISettlementExchange.TradingMandate[](4);
            for (uint256 i; i < 4; ++i) {
                signers[i] = keys[i % 3];
                mandates[i] = tradingMandateOf(signers[i]);
                mandates[i].maxBuyPricePerKwh = 400_000;
                mandates[i].minSellPricePerKwh = -50_000;
                mandates[i].maxWhPerSlot = uint32(700 * (i + 1));
                mandates[i].nonce = uint48(i == 2 ? 1 : 9);
                if (k == 1 && i == 3) mandates[i].expiry = uint32(T);
            }
            model.loadBook(registerBook(signers, mandates), mandates);
        }
    }

    function testFuzz_08_settle__same_batches__same_verdicts_and_state(uint256 seed_) public {
        seed = seed_;
        for (uint256 i; i < BATCHES; ++i) {
            ReferenceExchange.Batch memory batch = randomBatch();
            if (random(3) == 0) spoil(batch);
            playBoth(batch);
            compareState();
        }
    }

    /// @dev The comparison means little unless most kinds of verdict turn up.
    function test_08_generator__reaches_success_and_most_errors() public {
        bytes4[18] memory wanted = [
            bytes4(0),
            BadSignature.selector,
            NotCleared.selector,
            OrderExpired.selector,
            OrderVoid.selector,
            OverFilled.selector,
            OverDelivered.selector,
            WorseThanLimit.selector,
            EnergyNotConserved.selector,
            FeeOutOfRange.selector,
            MandateExceeded.selector,
            WrongSequence.selector,
            SlotPassed.selector,
            OtherSide.selector,
            MandateVoid.selector,
            NotInBook.selector,
            BookNotInForce.selector,
            EmptySection.selector
        ];
        uint256 seen;
        uint256 state = vm.snapshotState();
        for (uint256 i; i < 1500 && seen != (1 << wanted.length) - 1; ++i) {
            seed = uint256(keccak256(abi.encode("generator", i)));
            ReferenceExchange.Batch memory batch = randomBatch();
            if (random(3) == 0) spoil(batch);
            bytes4 verdict = playBoth(batch);
            for (uint256 k; k < wanted.length; ++k) {
                if (verdict == wanted[k]) seen |= 1 << k;
            }
            if (i % 3 == 2) vm.revertToState(state);
        }
        assertEq(seen, (1 << wanted.length) - 1, "verdicts seen");
    }

    /* BOTH */

    function playBoth(ReferenceExchange.Batch memory batch) private returns (bytes4) {
        bytes memory packed = encode(batch);
        vm.prank(OPERATOR);
        (bool ok, bytes memory reason) =
            address(exchange).call(abi.encodeCall(exchange.settleBatch, (packed)));
        (bool modelOk, bytes memory modelReason) = address(model).call(abi.encodeCall(model.settle, (batch)));
        assertTrue(ok == modelOk, "verdict");
        assertEq(reason, modelReason, "error");
        return ok ? bytes4(0) : bytes4(reason);
    }

    function compareState() private view {
        assertEq(exchange.nextSequence(), model.nextSequence(), "sequence");
        assertEq(exchange.fees(), model.fees(), "fees");
        for (uint256 i; i < keys.length; ++i) {
            address account = vm.addr(keys[i]);
            compareAccount(account);
            (, uint64 budget,,) = exchange.mandateOf(account);
            (, uint256 modelBudget,,,) = model.mandates(account);
            assertEq(budget, modelBudget, "budget");
            for (uint16 lane; lane < LANES; ++lane) {
                (uint48 nonce, uint48 filledWh) = exchange.laneOf(account, lane);
                (uint256 modelNonce, uint256 modelFilledWh) = model.lanes(account, lane);
                assertEq(nonce, modelNonce, "lane nonce");
                assertEq(filledWh, modelFilledWh, "lane fill");
            }
        }
    }

    function compareAccount(address account) private view {
        ReferenceExchange.Account memory expected;
        (
            expected.cash,
            expected.energyWh,
            expected.minNonce,
            expected.clearedUntil,
            expected.lastSlot,
            expected.lastSide,
            expected.filledWh
        ) = model.accounts(account);
        (uint256 cash, uint256 energyWh, uint48 minNonce) = exchange.accountOf(account);
        assertEq(cash, expected.cash, "cash");
        assertEq(energyWh, expected.energyWh, "energy");
        assertEq(minNonce, expected.minNonce, "nonce floor");
        assertEq(exchange.clearanceOf(account), expected.clearedUntil, "clearance");
        (uint32 slot, uint8 side, uint32 filledWh) = exchange.accountLaneOf(account);
        assertEq(slot, expected.lastSlot, "slot");
        assertEq(side, expected.lastSide, "side");
        assertEq(filledWh, expected.filledWh, "filled in the slot");
    }

    /* RANDOM BATCHES */

    /// @dev Pairs of a buyer and a seller at a common price with a fee between them, then imbalance.
    function randomBatch() private returns (ReferenceExchange.Batch memory batch) {
        uint256 pairs = random(4);
        batch = batchOf(2 * pairs, 2 * random(3));
        batch.deliveryStart = uint64(T + SLOT * random(2));
        for (uint256 i; i < pairs; ++i) {
            uint48 fillWh = uint48(random(600));
            uint48 deliveredWh = uint48(random(uint256(fillWh) + 1));
            int48 price = int48(int256(random(400_000))) - 50_000;
            int48 fee = int48(int256(random(20_000)));
            batch.fills[2 * i] = randomFill(batch.deliveryStart, 0, price + fee, fillWh, deliveredWh);
            batch.fills[2 * i + 1] = randomFill(batch.deliveryStart, 1, price, fillWh, deliveredWh);
        }
        batch.books = new ReferenceExchange.BookFills[](random(3));
        for (uint256 i; i < batch.books.length; ++i) {
            batch.books[i] = randomBook();
        }
        for (uint256 i; i + 1 < batch.adjustments.length; i += 2) {
            int64 money = int64(int256(random(1500)));
            batch.adjustments[i] = ReferenceExchange.Adjustment(randomAccount(), -money);
            batch.adjustments[i + 1] = ReferenceExchange.Adjustment(randomAccount(), money);
        }
    }

    function randomFill(uint64 deliveryStart, uint8 side, int48 price, uint48 fillWh, uint48 deliveredWh)
        private
        returns (ReferenceExchange.Fill memory fill)
    {
        uint256 key = keys[random(keys.length)];
        ISettlementExchange.Order memory order = orderOf(key, side, fillWh + uint48(random(300)), price);
        order.deliveryStart = deliveryStart;
        order.expiry = uint32(deliveryStart + random(3));
        order.lane = uint16(random(LANES));
        order.nonce = uint48(2 + random(4) + 4 * exchange.nextSequence());
        order.minFillWh = uint48(random(type(uint48).max));
        order.timeInForce = uint8(random(4));
        order.source = uint8(random(5));
        int256 nano = int256(price) * int256(uint256(fillWh));
        int256 down = nano / 1000 - (nano % 1000 < 0 ? int256(1) : int256(0));
        bool exact = nano % 1000 == 0;
        fill = fillOf(key, order, fillWh, int64(side == 0 && !exact ? down + 1 : down));
        fill.deliveredWh = deliveredWh;
    }

    /// @dev Pairs, as with orders; now and then of a mandate or a book that is not there.
    function randomBook() private returns (ReferenceExchange.BookFills memory section) {
        section.book = uint32(1 + random(random(8) == 0 ? 3 : 2));
        section.fills = new ReferenceExchange.MandateFill[](random(16) == 0 ? 0 : 2 + 2 * random(2));
        for (uint256 i; i + 1 < section.fills.length; i += 2) {
            uint32 fillWh = uint32(random(500));
            uint32 deliveredWh = uint32(random(uint256(fillWh) + 1));
            int48 money =
                int48(int256(random(400_000))) * int48(uint48(fillWh)) / 1000 - int48(int256(random(20)));
            uint16 buyer = uint16(random(random(10) == 0 ? 6 : 4));
            section.fills[i] = ReferenceExchange.MandateFill(buyer, 0, fillWh, money, deliveredWh);
            uint16 seller = uint16(random(4));
            section.fills[i + 1] = ReferenceExchange.MandateFill(seller, 1, fillWh, money, deliveredWh);
        }
    }

    /// @dev Breaks one thing.
    function spoil(ReferenceExchange.Batch memory batch) private {
        uint256 kind = random(12);
        if (kind == 0) batch.sequence += 1;
        if (kind == 1) batch.deliveryStart += uint64(random(2) == 0 ? SLOT : 1);
        if (kind == 2 && batch.adjustments.length != 0) {
            batch.adjustments[0].money -= int64(int256(random(10_000)));
        }
        if (kind >= 6 && batch.books.length != 0 && batch.books[0].fills.length != 0) {
            return spoil(batch.books[0].fills[random(batch.books[0].fills.length)], kind);
        }
        if (batch.fills.length == 0) return;
        ReferenceExchange.Fill memory fill = batch.fills[random(batch.fills.length)];
        if (kind == 3) fill.r = bytes32(uint256(fill.r) ^ (1 << random(256)));
        if (kind == 4) fill.vs = bytes32(uint256(fill.vs) ^ (1 << random(256)));
        if (kind == 5) fill.fillWh += uint48(random(500));
        if (kind == 6) fill.deliveredWh += uint48(1 + random(500));
        if (kind == 7) fill.money += int64(int256(random(4_000_000))) - 2_000_000;
        if (kind == 8) fill.order.energyWh += 1;
        if (kind >= 9) resign(fill, kind);
    }

    function spoil(ReferenceExchange.MandateFill memory fill, uint256 kind) private {
        if (kind == 6) fill.deliveredWh += uint32(1 + random(500));
        if (kind == 7) fill.money += int48(int256(random(4_000_000))) - 2_000_000;
        if (kind == 8) fill.fillWh += uint32(random(5000));
        if (kind == 9) fill.side ^= 1;
        if (kind == 10) fill.index = uint16(random(1 << 15));
        if (kind == 11) (fill.money, fill.fillWh) = (type(int48).min, type(uint32).max);
    }

    /// @dev Properly signed, but bad.
    function resign(ReferenceExchange.Fill memory fill, uint256 kind) private {
        if (kind == 9) fill.order.expiry = uint32(fill.order.deliveryStart - 1);
        if (kind == 10) fill.order.side = uint8(random(4));
        uint256 key = keys[0];
        for (uint256 i; i < keys.length; ++i) {
            if (vm.addr(keys[i]) == fill.order.trader) key = keys[i];
        }
        if (kind == 11) {
            key = 0xdead; // not cleared
            fill.order.trader = vm.addr(key);
        }
        (fill.r, fill.vs) = vm.signCompact(key, exchange.orderDigest(fill.order));
    }

    function randomAccount() private returns (address) {
        return vm.addr(keys[random(keys.length)]);
    }

    function random(uint256 below) private returns (uint256) {
        seed = uint256(keccak256(abi.encode(seed)));
        return seed % below;
    }

    function domainSeparator() private view returns (bytes32) {
        (, string memory name, string memory version, uint256 chainId, address verifying,,) =
            exchange.eip712Domain();
        bytes32 typeHash =
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        return keccak256(
            abi.encode(typeHash, keccak256(bytes(name)), keccak256(bytes(version)), chainId, verifying)
        );
    }
}
