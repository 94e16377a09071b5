// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ISettlementErrors} from "../../../contracts/src/interfaces/ISettlementErrors.sol";
import {ISettlementExchange} from "../../../contracts/src/interfaces/ISettlementExchange.sol";
import {ReferenceExchange} from "../../../contracts/src/reference/ReferenceExchange.sol";
import {Vm} from "./Base.sol";
import {Fixture} from "./Fixture.sol";

/// @notice Standing mandates: what registering them asks for, and one test a rule of filling them. Anna's is the book's
/// first, Ben's its second.
contract TradingMandatesTest is Fixture, ISettlementErrors {
    uint32 private book;

    function setUp() public override {
        super.setUp();
        giveCash(anna, 10_000_000);
        giveCash(ben, 10_000_000);
        giveEnergy(ben, 5000);
        book = registerTwo(tradingMandateOf(ANNA_KEY), tradingMandateOf(BEN_KEY));
    }

    /* REGISTERING */

    function test_registerMandates__signed__are_a_book_of_code() public {
        bytes memory packed = encode(tradingMandateOf(CLEO_KEY));
        vm.recordLogs();
        vm.prank(STRANGER);
        uint32 second = exchange.registerMandates(packed, signatureOf(CLEO_KEY, tradingMandateOf(CLEO_KEY)));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertTrue(book == 1 && second == 2, "numbers");
        assertTrue(logs[0].topics[0] == ISettlementExchange.MandatesRegistered.selector, "event");
        assertTrue(uint256(logs[0].topics[1]) == 2, "its number");
        assertEq(abi.decode(logs[0].data, (bytes)), packed, "its mandates");
        bytes memory code = exchange.bookOf(2).code;
        assertTrue(code.length == 1 + 8 + 42 && code[0] == 0, "code");
        (bool ok, bytes memory data) = exchange.bookOf(2).call("anything");
        assertTrue(ok && data.length == 0, "does nothing when called");
        assertEq(exchange.bookOf(3).code.length, 0, "no third");
        assertTrue(exchange.bookOf(2 ** 24) == address(0), "never a number as large");
    }

    function test_registerMandates__many_books__have_their_numbers() public {
        bytes memory packed = encode(tradingMandateOf(CLEO_KEY));
        bytes memory signature = signatureOf(CLEO_KEY, tradingMandateOf(CLEO_KEY));
        for (uint32 number = 2; number < 300; ++number) {
            assertTrue(exchange.registerMandates(packed, signature) == number, "number");
            assertTrue(exchange.bookOf(number).code.length != 0, "address");
        }
    }

    /// @dev The book's contract takes all but a 64th of the gas that is left; with the rest nothing may stay behind.
    function test_registerMandates__gas_ends_while_the_book_is_made__reverts_whole() public {
        bytes memory packed;
        bytes memory signatures;
        for (uint256 i; i < 60; ++i) {
            packed = bytes.concat(packed, encode(tradingMandateOf(CLEO_KEY)));
            signatures = bytes.concat(signatures, signatureOf(CLEO_KEY, tradingMandateOf(CLEO_KEY)));
        }
        bytes memory call = abi.encodeCall(exchange.registerMandates, (packed, signatures));
        bool ok;
        uint256 outOfGas;
        for (uint256 gasLimit = 400_000; !ok; gasLimit += 20_000) {
            bytes memory reason;
            (ok, reason) = address(exchange).call{gas: gasLimit}(call);
            if (reason.length == 36 && bytes4(reason) == UnknownBook.selector) ++outOfGas;
            assertTrue(ok == (exchange.bookOf(2).code.length != 0), "half a book");
        }
        assertTrue(outOfGas > 0, "never while the book was made");
        assertTrue(exchange.registerMandates(packed, signatures) == 3, "the next number");
    }

    function test_registerMandates__malformed__reverts() public {
        bytes memory packed = encode(tradingMandateOf(CLEO_KEY));
        bytes memory signature = signatureOf(CLEO_KEY, tradingMandateOf(CLEO_KEY));
        vm.expectRevert(abi.encodeWithSelector(BadMandates.selector, 0, 0));
        exchange.registerMandates("", "");
        vm.expectRevert(abi.encodeWithSelector(BadMandates.selector, 55, 64));
        exchange.registerMandates(bytes.concat(packed, hex"00"), signature);
        vm.expectRevert(abi.encodeWithSelector(BadMandates.selector, 54, 128));
        exchange.registerMandates(packed, bytes.concat(signature, signature));
        vm.expectRevert(abi.encodeWithSelector(BadMandates.selector, 54 * 401, 64 * 401));
        exchange.registerMandates(new bytes(54 * 401), new bytes(64 * 401));
    }

    function testFuzz_04_registerMandates__any_byte_changed__reverts(uint256 place, uint8 bit) public {
        bytes memory packed = encode(tradingMandateOf(CLEO_KEY));
        bytes memory signature = signatureOf(CLEO_KEY, tradingMandateOf(CLEO_KEY));
        packed[place % 54] = bytes1(uint8(packed[place % 54]) ^ uint8(1 << (bit % 8)));
        (bool ok, bytes memory reason) =
            address(exchange).call(abi.encodeCall(exchange.registerMandates, (packed, signature)));
        assertTrue(!ok && bytes4(reason) == BadSignature.selector, "accepted");
    }

    function test_04_registerMandates__more_than_the_account_lane_counts__reverts() public {
        ISettlementExchange.TradingMandate memory mandate = tradingMandateOf(CLEO_KEY);
        mandate.maxWhPerSlot = 2 ** 31;
        bytes memory signature = signatureOf(CLEO_KEY, mandate);
        vm.expectRevert(abi.encodeWithSelector(MandateTooLarge.selector, cleo, 2 ** 31));
        exchange.registerMandates(encode(mandate), signature);
    }

    /* FILLING */

    function test_mandates__trade__moves_money_energy_and_fee() public {
        vm.recordLogs();
        settle(tradeOfMandates());
        assertTrue(cashOf(anna) == 9_700_000 && cashOf(ben) == 10_250_000, "money");
        assertTrue(energyOf(anna) == 900 && energyOf(ben) == 4100, "energy");
        assertEq(exchange.fees(), 50_000, "fee");
        (uint32 slot, uint8 side, uint32 filledWh) = exchange.accountLaneOf(ben);
        assertTrue(slot == T && side == 1 && filledWh == 1000, "account lane");

        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertTrue(logs[0].topics[0] == ISettlementExchange.MandatesSettled.selector, "event");
        assertTrue(uint256(logs[0].topics[3]) == book, "book");
        (, bytes memory fills) = abi.decode(logs[0].data, (uint16, bytes));
        bytes memory sold = abi.encodePacked(uint16(3), uint32(1000), int48(250_000), uint32(900));
        bytes memory bought = abi.encodePacked(uint16(0), uint32(1000), int48(300_000), uint32(900));
        assertEq(fills, bytes.concat(sold, bought), "fills");
    }

    function test_mandates__beside_signed_orders__settle_in_one_batch() public {
        ReferenceExchange.Batch memory batch = tradeOfMandates();
        batch.books[0].fills = new ReferenceExchange.MandateFill[](1);
        batch.books[0].fills[0] = ReferenceExchange.MandateFill(1, 1, 1000, 250_000, 1000);
        batch.fills = new ReferenceExchange.Fill[](1);
        batch.fills[0] = fillOf(ANNA_KEY, orderOf(ANNA_KEY, 0, 1000, 300_000), 1000, 300_000);
        settle(batch);
        assertTrue(energyOf(anna) == 1000 && cashOf(ben) == 10_250_000, "settled");
    }

    function test_04_mandates__more_than_a_slots_most__reverts_until_the_next_slot() public {
        settle(tradeOfMandates());
        ReferenceExchange.Batch memory batch = tradeOfMandates();
        settleReverts(batch, abi.encodeWithSelector(OverFilled.selector, ben, 0, 2000, 1000));
        batch.deliveryStart = T + SLOT;
        settle(batch);
        assertEq(energyOf(anna), 1800, "the next slot has its own budget");
    }

    function test_04_mandates__signed_order_in_the_account_lane__shares_the_budget() public {
        ReferenceExchange.Batch memory batch = tradeOfMandates();
        batch.fills = new ReferenceExchange.Fill[](1);
        batch.fills[0] = fillOf(ANNA_KEY, orderOf(ANNA_KEY, 0, 1000, 300_000), 1, 0);
        settleReverts(batch, abi.encodeWithSelector(OverFilled.selector, anna, 0, 1001, 1000));
    }

    function test_04_mandates__second_mandate_of_an_account__shares_the_budget() public {
        ISettlementExchange.TradingMandate memory other = tradingMandateOf(BEN_KEY);
        (other.nonce, other.maxWhPerSlot) = (6, 900);
        uint32 second = registerTwo(tradingMandateOf(ANNA_KEY), other);
        settle(tradeOfMandates());
        ReferenceExchange.Batch memory batch = mandateBatchOf(second, 1);
        batch.books[0].fills[0] = ReferenceExchange.MandateFill(1, 1, 1, 1, 1);
        settleReverts(batch, abi.encodeWithSelector(OverFilled.selector, ben, 0, 1001, 900));
    }

    function test_03_mandates__worse_than_its_prices__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOfMandates();
        batch.books[0].fills[1].money = 300_001;
        settleReverts(
            batch, abi.encodeWithSelector(WorseThanLimit.selector, anna, int64(300_001), int48(300_000), 1000)
        );
        batch.books[0].fills[0].money = 249_999;
        settleReverts(
            batch, abi.encodeWithSelector(WorseThanLimit.selector, ben, int64(249_999), int48(250_000), 1000)
        );
    }

    function testFuzz_03_mandates__limits__hold_to_the_unit(int48 limit, uint32 fillWh, bool sells, int8 off)
        public
    {
        fillWh = uint32(bound(fillWh, 0, 2 ** 31 - 1));
        ISettlementExchange.TradingMandate memory mandate = tradingMandateOf(ANNA_KEY);
        (mandate.maxBuyPricePerKwh, mandate.minSellPricePerKwh) = (limit, limit);
        mandate.maxWhPerSlot = 2 ** 31 - 1;
        uint32 number = registerTwo(mandate, tradingMandateOf(BEN_KEY));
        int256 nano = int256(limit) * int256(uint256(fillWh));
        int256 down = nano / 1000 - (nano % 1000 < 0 ? int256(1) : int256(0));
        int256 best = sells ? down : down + (nano % 1000 == 0 ? int256(0) : int256(1));
        int256 money = best + off % 3;
        vm.assume(money == int48(money));
        ReferenceExchange.Batch memory batch = mandateBatchOf(number, 1);
        batch.books[0].fills[0] = ReferenceExchange.MandateFill(0, sells ? 1 : 0, fillWh, int48(money), 0);
        bytes memory packed = encode(batch);
        vm.prank(OPERATOR);
        (bool ok, bytes memory reason) =
            address(exchange).call(abi.encodeCall(exchange.settleBatch, (packed)));
        bool refused = !ok && bytes4(reason) == WorseThanLimit.selector;
        assertTrue(refused == (sells ? money < best : money > best), "limit");
    }

    function test_04_mandates__both_sides_in_one_slot__reverts() public {
        settle(tradeOfMandates());
        ReferenceExchange.Batch memory batch = mandateBatchOf(book, 1);
        batch.books[0].fills[0] = ReferenceExchange.MandateFill(1, 0, 0, 0, 0);
        settleReverts(batch, abi.encodeWithSelector(OtherSide.selector, ben, 0, T));
    }

    function test_04_mandates__earlier_slot_than_the_last__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOfMandates();
        batch.deliveryStart = T + SLOT;
        settle(batch);
        batch = tradeOfMandates();
        settleReverts(batch, abi.encodeWithSelector(SlotPassed.selector, ben, T, T + SLOT));
    }

    function test_04_mandates__revoked__reverts_at_once() public {
        vm.prank(ben);
        exchange.raiseNonce(6);
        settleReverts(tradeOfMandates(), abi.encodeWithSelector(MandateVoid.selector, ben, 5, 6));
    }

    function test_04_mandates__frozen__reverts() public {
        vm.prank(OPERATOR);
        registry.setParticipant(anna, T + 1 days, 7, 276);
        settleReverts(tradeOfMandates(), abi.encodeWithSelector(NotCleared.selector, anna, 0, T));
    }

    function test_04_mandates__outside_its_time__book_is_not_in_force() public {
        ISettlementExchange.TradingMandate memory early = tradingMandateOf(ANNA_KEY);
        ISettlementExchange.TradingMandate memory late = tradingMandateOf(BEN_KEY);
        (early.expiry, late.validFrom) = (uint32(T + SLOT), uint32(T + SLOT));
        book = registerTwo(early, late);
        settleReverts(
            tradeOfMandates(), abi.encodeWithSelector(BookNotInForce.selector, book, T + SLOT, T + SLOT, T)
        );
        ReferenceExchange.Batch memory batch = tradeOfMandates();
        batch.deliveryStart = T + SLOT;
        settle(batch);
        batch = tradeOfMandates();
        batch.deliveryStart = T + 2 * SLOT;
        settleReverts(batch, BookNotInForce.selector);
    }

    function test_04_mandates__short_of_cash_or_energy__reverts() public {
        vm.prank(anna);
        exchange.requestWithdrawal(9_700_001, 0);
        vm.prank(ben);
        exchange.requestWithdrawal(0, 4101);
        vm.warp(block.timestamp + DELAY);
        vm.prank(anna);
        exchange.executeWithdrawal();
        settleReverts(
            tradeOfMandates(), abi.encodeWithSelector(InsufficientCash.selector, anna, 299_999, 300_000)
        );
        vm.prank(ben);
        exchange.executeWithdrawal();
        settleReverts(tradeOfMandates(), abi.encodeWithSelector(InsufficientEnergy.selector, ben, 899, 900));
    }

    function test_mandates__delivered_above_fill__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOfMandates();
        batch.books[0].fills[0].deliveredWh = 1001;
        settleReverts(batch, abi.encodeWithSelector(OverDelivered.selector, ben, 1001, 1000));
    }

    function test_mandates__not_balanced__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOfMandates();
        batch.books[0].fills[0].fillWh = 999;
        batch.books[0].fills[0].deliveredWh = 890;
        settleReverts(batch, abi.encodeWithSelector(EnergyNotConserved.selector, int256(1), int256(10)));
    }

    /* BOOKS */

    function test_attack_mandates__of_a_book_the_operator_made_up__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOfMandates();
        uint32[4] memory numbers = [uint32(0), 2, 2 ** 24, type(uint32).max];
        for (uint256 i; i < 4; ++i) {
            batch.books[0].book = numbers[i];
            settleReverts(batch, abi.encodeWithSelector(UnknownBook.selector, numbers[i]));
        }
    }

    function test_attack_mandates__entry_behind_the_books_end__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOfMandates();
        uint16[3] memory indices = [uint16(2), 3, 2 ** 15 - 1];
        for (uint256 i; i < 3; ++i) {
            batch.books[0].fills[0].index = indices[i];
            settleReverts(batch, abi.encodeWithSelector(NotInBook.selector, book, indices[i], 2));
        }
    }

    function test_mandates__counts_that_differ_from_the_header__revert() public {
        bytes memory packed = encode(tradeOfMandates());
        packed[26 + 5] = 0x01; // one fill in the book, two in the header
        verdict(packed, abi.encodeWithSelector(FillsMiscounted.selector, 1, 2));
        packed[26 + 5] = 0x03;
        verdict(packed, abi.encodeWithSelector(FillsMiscounted.selector, 3, 2));
    }

    function test_mandates__section_without_fills__reverts() public {
        uint32[2] memory numbers = [book, 7];
        for (uint256 i; i < 2; ++i) {
            settleReverts(
                mandateBatchOf(numbers[i], 0), abi.encodeWithSelector(EmptySection.selector, numbers[i])
            );
        }
    }

    function test_attack_mandates__replayed_batch__reverts() public {
        ReferenceExchange.Batch memory batch = tradeOfMandates();
        settle(batch);
        settleReverts(batch, abi.encodeWithSelector(WrongSequence.selector, 0, 1));
    }

    function test_attack_mandates__registered_again__gives_no_second_budget() public {
        settle(tradeOfMandates());
        book = registerTwo(tradingMandateOf(ANNA_KEY), tradingMandateOf(BEN_KEY));
        settleReverts(tradeOfMandates(), abi.encodeWithSelector(OverFilled.selector, ben, 0, 2000, 1000));
    }

    function test_attack_mandates__signed_for_another_exchange_or_chain__is_not_registered() public {
        bytes memory packed = encode(tradingMandateOf(CLEO_KEY));
        bytes memory signature = signatureOf(CLEO_KEY, tradingMandateOf(CLEO_KEY));
        bytes memory call = abi.encodeCall(exchange.registerMandates, (packed, signature));
        vm.chainId(999);
        (bool ok, bytes memory reason) = address(exchange).call(call);
        assertTrue(!ok && bytes4(reason) == BadSignature.selector, "chain");
        vm.chainId(31_337);
        deploy();
        (ok, reason) = address(exchange).call(call);
        assertTrue(!ok && bytes4(reason) == BadSignature.selector, "exchange");
    }

    /* HELPERS */

    /// @dev Ben sells Anna 1,000 Wh, of which 900 were metered.
    function tradeOfMandates() private view returns (ReferenceExchange.Batch memory batch) {
        batch = mandateBatchOf(book, 2);
        batch.books[0].fills[0] = ReferenceExchange.MandateFill(1, 1, 1000, 250_000, 900);
        batch.books[0].fills[1] = ReferenceExchange.MandateFill(0, 0, 1000, 300_000, 900);
    }

    function registerTwo(
        ISettlementExchange.TradingMandate memory first,
        ISettlementExchange.TradingMandate memory second
    ) private returns (uint32) {
        uint256[] memory keys = new uint256[](2);
        (keys[0], keys[1]) = (ANNA_KEY, BEN_KEY);
        ISettlementExchange.TradingMandate[] memory mandates = new ISettlementExchange.TradingMandate[](2);
        (mandates[0], mandates[1]) = (first, second);
        return registerBook(keys, mandates);
    }

    function signatureOf(uint256 key, ISettlementExchange.TradingMandate memory mandate)
        private
        view
        returns (bytes memory)
    {
        (bytes32 r, bytes32 vs) = vm.signCompact(key, exchange.tradingMandateDigest(mandate));
        return bytes.concat(r, vs);
    }

    function verdict(bytes memory packed, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(OPERATOR);
        exchange.settleBatch(packed);
    }
}
