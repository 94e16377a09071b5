// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ISettlementExchange} from "../../../contracts/src/interfaces/ISettlementExchange.sol";
import {ReferenceExchange} from "../../../contracts/src/reference/ReferenceExchange.sol";
import {HandlerBooks} from "./HandlerBooks.sol";

/// @notice Random life of the exchange: people, the operator and the guardian act in any order.
contract Handler is HandlerBooks {
    constructor() {
        setUp();
        vm.warp(T + 90 * SLOT);
        for (uint256 i; i < keys.length; ++i) {
            giveCash(vm.addr(keys[i]), 10_000_000);
            giveEnergy(vm.addr(keys[i]), 10_000);
            setMandate(keys[i], 1000, 20_000, ++mandateNonce);
        }
        openBooks();
    }

    function openBooks() private {
        for (uint256 k; k < 2; ++k) {
            uint256[] memory signers = new uint256[](3);
            ISettlementExchange.TradingMandate[] memory mandates = new ISettlementExchange.TradingMandate[](3);
            for (uint256 i; i < 3; ++i) {
                signers[i] = keys[i];
                mandates[i] = tradingMandateOf(keys[i]);
                (mandates[i].maxWhPerSlot, mandates[i].nonce) = (MOST_WH, 1);
            }
            books[k] = registerBook(signers, mandates);
        }
        lastNonce = 10;
    }

    /* PEOPLE */

    function deposit(uint256 who, uint96 cash) external onlyLoss(address(0)) {
        if (exchange.paused()) return;
        giveCash(account(who), bound(cash, 1, 1e12));
    }

    function produce(uint256 who, uint32 energyWh) external onlyLoss(address(0)) {
        address owner = account(who);
        (uint64 attestedWh,, uint64 slotEnd) = ledger.register(uint32(uint160(owner)));
        attestOne(uint32(uint160(owner)), slotEnd, attestedWh); // a replay
        vm.warp(block.timestamp + 60);
        attestOne(
            uint32(uint160(owner)), uint64(block.timestamp), attestedWh + uint64(bound(energyWh, 0, 10_000))
        );
        if (energyWh % 3 != 0) issueAll();
    }

    function issueAll() public {
        uint32[] memory meters = new uint32[](keys.length);
        for (uint256 i; i < keys.length; ++i) {
            meters[i] = uint32(uint160(vm.addr(keys[i])));
        }
        ledger.issue(meters);
    }

    function correct(uint256 who, uint32 byWh) external {
        uint32 meterId = uint32(uint160(account(who)));
        (uint64 attestedWh,,) = ledger.register(meterId);
        vm.prank(OPERATOR);
        try ledger.correctRegister(meterId, attestedWh - uint64(bound(byWh, 0, attestedWh)), "audit") {}
            catch {}
    }

    function withdraw(uint256 who, uint96 cash, uint64 energyWh, bool wait) external onlyLoss(account(who)) {
        address owner = account(who);
        (uint256 held, uint256 heldWh,) = exchange.accountOf(owner);
        vm.prank(owner);
        exchange.requestWithdrawal(uint96(bound(cash, 0, held)), uint64(bound(energyWh, 0, heldWh)));
        if (!wait) return;
        vm.warp(block.timestamp + DELAY);
        execute(who);
    }

    function execute(uint256 who) public onlyLoss(account(who)) {
        vm.prank(account(who));
        try exchange.executeWithdrawal() {
            ++withdrawn;
        } catch {}
    }

    function consume(uint256 who) external onlyLoss(address(0)) {
        uint256 held = energy.balanceOf(account(who));
        vm.prank(account(who));
        energy.consume(held / 2);
        consumed += held / 2;
    }

    function donate(uint256 who, uint256 cash) external onlyLoss(address(0)) {
        uint256 held = euro.balanceOf(account(who));
        vm.prank(account(who));
        euro.transfer(address(exchange), bound(cash, 0, held));
    }

    function cancel(uint256 who) external onlyLoss(address(0)) {
        vm.prank(account(who));
        exchange.raiseNonce(++lastNonce + 1);
        revoked[account(who)] = true;
        for (uint256 i; i < orders.length; ++i) {
            if (orders[i].order.trader == account(who)) orders[i].dead = true;
        }
    }

    function mandate(uint256 who, uint32 perSlot, uint32 budget) external onlyLoss(address(0)) {
        setMandate(keys[who % keys.length], perSlot % 5000, budget % 50_000, ++mandateNonce);
    }

    /// @dev 6: whatever the state, request and execute give back everything.
    function exit(uint256 who) external {
        uint256 state = vm.snapshotState();
        address owner = account(who);
        (uint256 cash, uint256 energyWh,) = exchange.accountOf(owner);
        (uint256 euros, uint256 tokens) = (euro.balanceOf(owner), energy.balanceOf(owner));
        vm.prank(owner);
        exchange.requestWithdrawal(uint96(cash), uint64(energyWh));
        vm.warp(block.timestamp + DELAY);
        bool ok = true;
        if (cash + energyWh != 0) {
            vm.prank(owner);
            try exchange.executeWithdrawal() {}
            catch {
                ok = false;
            }
        }
        ok = ok && euro.balanceOf(owner) == euros + cash && energy.balanceOf(owner) == tokens + energyWh;
        vm.revertToState(state);
        if (!ok) ++failedExits;
    }

    /* OPERATOR AND GUARDIAN */

    function toggle(bool paused, uint256 who, bool frozen) external onlyLoss(address(0)) {
        if (paused && !exchange.paused()) {
            vm.prank(OPERATOR);
            exchange.pause();
        } else if (exchange.paused()) {
            exchange.unpause();
        }
        vm.prank(OPERATOR);
        registry.setParticipant(account(who), T + 365 days, frozen ? 7 : 3, 276);
    }

    function takeFees(uint96 cash) external onlyLoss(address(0)) {
        uint256 collected = exchange.fees();
        if (collected == 0) return;
        vm.prank(OPERATOR);
        exchange.withdrawFees(OPERATOR, uint96(bound(cash, 1, collected)));
    }

    /// @dev A new or an old order on each side, filled as the operator likes.
    function trade(uint256 seed) external {
        uint256 buy = pick(seed, 0, slotOf(seed >> 40));
        uint256 sell = pick(seed >> 64, 1, orders[buy].order.deliveryStart);
        uint48 fillWh = uint48(seed >> 128) % 400;
        uint48 deliveredWh = fillWh == 0 ? 0 : uint48(seed >> 176) % (fillWh + 1);
        int64 price = int64(int256(seed >> 224) % 300_000) - 20_000;
        ReferenceExchange.Batch memory batch = batchOf(2, 0);
        batch.deliveryStart = orders[buy].order.deliveryStart;
        batch.fills[0] = fillOf(orders[buy].key, orders[buy].order, fillWh, up(price + 10_000, fillWh));
        batch.fills[1] = fillOf(orders[sell].key, orders[sell].order, fillWh, -up(-price, fillWh));
        (batch.fills[0].deliveredWh, batch.fills[1].deliveredWh) = (deliveredWh, deliveredWh);
        address buyer = orders[buy].order.trader;
        (uint256 cash, uint256 energyWh, uint256 collected) =
            (cashOf(buyer), energyOf(buyer), exchange.fees());
        if (!play(batch)) return;
        note(buy, batch.fills[0]);
        note(sell, batch.fills[1]);
        if (buyer == orders[sell].order.trader) noteSelfTrade(buyer, cash, energyWh, collected);
    }

    /// @dev Mandates of one book or the other, at any price and of anyone.
    function tradeMandates(uint256 seed) external {
        ReferenceExchange.Batch memory batch = mandateBatchOf(books[seed % 2], 2);
        batch.deliveryStart = slotOf(seed >> 8);
        uint32 fillWh = uint32(seed >> 16) % 500;
        uint32 deliveredWh = fillWh == 0 ? 0 : uint32(seed >> 48) % (fillWh + 1);
        int64 price = 245_000 + int64(uint64(uint32(seed >> 80) % 60_000));
        uint16 buyer = uint16(seed >> 112) % 3;
        uint16 seller = uint16(seed >> 128) % 3;
        batch.books[0].fills[0] =
            ReferenceExchange.MandateFill(buyer, 0, fillWh, int48(up(price, fillWh)), deliveredWh);
        batch.books[0].fills[1] =
            ReferenceExchange.MandateFill(seller, 1, fillWh, int48(-up(-price, fillWh)), deliveredWh);
        if (!play(batch)) return;
        ++mandatesFilled;
        noteMandate(buyer, batch.books[0].fills[0], batch.deliveryStart);
        noteMandate(seller, batch.books[0].fills[1], batch.deliveryStart);
    }

    function imbalance(uint256 from, uint256 to, uint16 money, bool later) external {
        ReferenceExchange.Batch memory batch = batchOf(0, 2);
        batch.deliveryStart = later ? T + SLOT : T;
        batch.adjustments[0] = ReferenceExchange.Adjustment(account(from), -int64(uint64(money % 3000)));
        batch.adjustments[1] = ReferenceExchange.Adjustment(account(to), int64(uint64(money % 3000)));
        (, uint64 before,,) = exchange.mandateOf(account(from));
        play(batch);
        (, uint64 afterwards,,) = exchange.mandateOf(account(from));
        if (afterwards > before) ++budgetGrowths;
    }

    /// @dev Slots go by as batches are tried; now and then the one before or after.
    function slotOf(uint256 seed) private view returns (uint64) {
        return uint64(T + SLOT * ((settled + refused) / 6 + seed % 8 / 6));
    }

    /// @dev Now and then one of the latest orders again, filled or not, cancelled or not.
    function pick(uint256 seed, uint8 side, uint64 deliveryStart) private returns (uint256) {
        if (seed % 4 == 0 && orders.length > 16) {
            for (uint256 i = 1 + (seed >> 4) % 8; i <= 16; ++i) {
                ISettlementExchange.Order memory old = orders[orders.length - i].order;
                if (old.side == side && old.deliveryStart == deliveryStart) return orders.length - i;
            }
        }
        uint256 key = keys[(seed >> 8) % keys.length];
        ISettlementExchange.Order memory order = orderOf(
            key, side, 200 + uint48(seed >> 16) % 500, int48(int256((seed >> 32) % 300_000)) - 20_000
        );
        if (seed % 8 != 7) order.limitPricePerKwh = side == 0 ? int48(400_000) : int48(-100_000);
        order.deliveryStart = deliveryStart;
        order.expiry = uint32(order.deliveryStart);
        if (seed % 16 == 9) order.expiry -= 1;
        (order.lane, order.nonce) = (uint16(seed >> 24) % 2, ++lastNonce);
        orders.push(Signed(key, order, 0, 0, 0, order.expiry < order.deliveryStart));
        return orders.length - 1;
    }

    function account(uint256 who) private view returns (address) {
        return vm.addr(keys[who % keys.length]);
    }
}
