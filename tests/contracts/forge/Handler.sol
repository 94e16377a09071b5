// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ISettlementExchange} from "../../../contracts/src/interfaces/ISettlementExchange.sol";
import {ReferenceExchange} from "../../../contracts/src/reference/ReferenceExchange.sol";
import {Fixture} from "./Fixture.sol";

/// @notice Random life of the exchange: people, the operator and the guardian act in any order. It remembers what was
/// signed and what was settled, and notes every loss nobody allowed.
contract Handler is Fixture {
    struct Signed {
        uint256 key;
        ISettlementExchange.Order order;
        uint256 filledWh;
        int256 money;
        uint256 fills;
        bool dead;
    }

    uint256[3] internal keys = [ANNA_KEY, BEN_KEY, CLEO_KEY];
    Signed[] internal orders;

    /// @dev Two books of the three people's mandates; what each mandate was filled in a slot, and the account's lane.
    uint32[2] internal books;
    uint32 internal constant MOST_WH = 900;
    mapping(address account => mapping(uint64 deliveryStart => uint256)) internal laneWh;
    mapping(address account => bool) internal revoked;
    uint48 private lastNonce;
    uint32 private mandateNonce;

    uint256 public settled;
    uint256 public refused;
    uint256 public withdrawn;
    uint256 public consumed;
    uint256 public unallowedLosses;
    uint256 public budgetGrowths;
    uint256 public unbalancedBatches;
    uint256 public deadOrderFills;
    uint256 public failedExits;
    uint256 public feesAboveCap;
    uint256 public overdrawnMandates;
    uint256 public revokedFills;
    uint256 public mandatesFilled;

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

    function deposit(uint256 who, uint96 cash) external {
        if (exchange.paused()) return;
        giveCash(account(who), bound(cash, 1, 1e12));
    }

    function produce(uint256 who, uint32 energyWh) external {
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

    function withdraw(uint256 who, uint96 cash, uint64 energyWh, bool wait) external {
        address owner = account(who);
        (uint256 held, uint256 heldWh,) = exchange.accountOf(owner);
        vm.prank(owner);
        exchange.requestWithdrawal(uint96(bound(cash, 0, held)), uint64(bound(energyWh, 0, heldWh)));
        if (!wait) return;
        vm.warp(block.timestamp + DELAY);
        execute(who);
    }

    function execute(uint256 who) public {
        vm.prank(account(who));
        try exchange.executeWithdrawal() {
            ++withdrawn;
        } catch {}
    }

    function consume(uint256 who) external {
        uint256 held = energy.balanceOf(account(who));
        vm.prank(account(who));
        energy.consume(held / 2);
        consumed += held / 2;
    }

    function donate(uint256 who, uint256 cash) external {
        uint256 held = euro.balanceOf(account(who));
        vm.prank(account(who));
        euro.transfer(address(exchange), bound(cash, 0, held));
    }

    function cancel(uint256 who) external {
        vm.prank(account(who));
        exchange.raiseNonce(++lastNonce + 1);
        revoked[account(who)] = true;
        for (uint256 i; i < orders.length; ++i) {
            if (orders[i].order.trader == account(who)) orders[i].dead = true;
        }
    }

    function mandate(uint256 who, uint32 perSlot, uint32 budget) external {
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

    function toggle(bool paused, uint256 who, bool frozen) external {
        if (paused && !exchange.paused()) {
            vm.prank(OPERATOR);
            exchange.pause();
        } else if (exchange.paused()) {
            exchange.unpause();
        }
        vm.prank(OPERATOR);
        registry.setParticipant(account(who), T + 365 days, frozen ? 7 : 3, 276);
    }

    function takeFees(uint96 cash) external {
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
        if (play(batch)) {
            note(buy, batch.fills[0]);
            note(sell, batch.fills[1]);
        }
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
        noteMandate(vm.addr(keys[buyer]), batch.deliveryStart, fillWh);
        noteMandate(vm.addr(keys[seller]), batch.deliveryStart, fillWh);
    }

    function noteMandate(address owner, uint64 deliveryStart, uint256 fillWh) private {
        if (revoked[owner]) ++revokedFills;
        laneWh[owner][deliveryStart] += fillWh;
        if (laneWh[owner][deliveryStart] > MOST_WH) ++overdrawnMandates;
        for (uint256 i; i < orders.length; ++i) {
            ISettlementExchange.Order memory other = orders[i].order;
            bool same = other.trader == owner && other.lane == 0;
            if (same && other.deliveryStart < deliveryStart) orders[i].dead = true;
        }
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

    /* BOOKKEEPING */

    function play(ReferenceExchange.Batch memory batch) private returns (bool ok) {
        (uint256 cash, uint256 energyWh) = sums();
        uint256[3] memory before = [cashOf(anna), cashOf(ben), cashOf(cleo)];
        uint256 collected = exchange.fees();
        bytes memory packed = encode(batch);
        vm.prank(OPERATOR);
        (ok,) = address(exchange).call(abi.encodeCall(exchange.settleBatch, (packed)));
        ok ? ++settled : ++refused;
        if (exchange.fees() > collected + feeCap(batch)) ++feesAboveCap;
        (uint256 cashAfter, uint256 energyAfter) = sums();
        if (cash != cashAfter || energyWh != energyAfter) ++unbalancedBatches;
        for (uint256 i; i < keys.length; ++i) {
            address owner = vm.addr(keys[i]);
            if (cashOf(owner) < before[i] && !named(batch, owner)) ++unallowedLosses;
        }
    }

    function note(uint256 index, ReferenceExchange.Fill memory fill) private {
        Signed storage entry = orders[index];
        if (entry.dead) ++deadOrderFills;
        entry.filledWh += fill.fillWh;
        entry.money += fill.money;
        entry.fills += 1;
        ISettlementExchange.Order memory order = entry.order;
        if (order.lane == 0) laneWh[order.trader][order.deliveryStart] += fill.fillWh;
        if (order.lane == 0 && laneWh[order.trader][order.deliveryStart] > order.energyWh) {
            ++overdrawnMandates;
        }
        for (uint256 i; i < orders.length; ++i) {
            ISettlementExchange.Order memory other = orders[i].order;
            if (other.trader != order.trader || other.lane != order.lane) continue;
            // In the account lane a later slot, elsewhere a higher nonce ends what was there.
            if (order.lane == 0 ? other.deliveryStart < order.deliveryStart : other.nonce < order.nonce) {
                orders[i].dead = true;
            }
        }
    }

    /// @dev As contracts/README.md says: the cap on what was sold, and one unit an entry.
    function feeCap(ReferenceExchange.Batch memory batch) private pure returns (uint256) {
        uint256 soldWh;
        for (uint256 i; i < batch.fills.length; ++i) {
            if (batch.fills[i].order.side == 1) soldWh += batch.fills[i].fillWh;
        }
        for (uint256 i; i < batch.books.length; ++i) {
            for (uint256 k; k < batch.books[i].fills.length; ++k) {
                if (batch.books[i].fills[k].side == 1) soldWh += batch.books[i].fills[k].fillWh;
            }
        }
        return MAX_FEE * soldWh / 1000 + batch.fills.length + mandateFills(batch) + batch.adjustments.length;
    }

    /// @dev Slots go by as batches are tried; now and then the one before or after.
    function slotOf(uint256 seed) private view returns (uint64) {
        return uint64(T + SLOT * ((settled + refused) / 6 + seed % 8 / 6));
    }

    function named(ReferenceExchange.Batch memory batch, address owner) private view returns (bool) {
        for (uint256 i; i < batch.fills.length; ++i) {
            if (batch.fills[i].order.trader == owner) return true;
        }
        for (uint256 i; i < batch.books.length; ++i) {
            for (uint256 k; k < batch.books[i].fills.length; ++k) {
                if (owner == ownerOf(batch.books[i].fills[k].index)) return true;
            }
        }
        for (uint256 i; i < batch.adjustments.length; ++i) {
            if (batch.adjustments[i].account == owner && batch.adjustments[i].money < 0) return true;
        }
        return false;
    }

    function ownerOf(uint16 index) private view returns (address) {
        return vm.addr(keys[index]);
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

    function up(int64 price, uint48 fillWh) private pure returns (int64) {
        int256 nano = int256(price) * int256(uint256(fillWh));
        return int64(nano / 1000 + (nano % 1000 > 0 ? int256(1) : int256(0)));
    }

    function account(uint256 who) private view returns (address) {
        return vm.addr(keys[who % keys.length]);
    }

    /* FOR THE INVARIANTS */

    /// @dev All cash with the fees, and all energy, in the vault's books.
    function sums() public view returns (uint256 cash, uint256 energyWh) {
        cash = exchange.fees();
        for (uint256 i; i < keys.length; ++i) {
            (uint256 held, uint256 heldWh,) = exchange.accountOf(vm.addr(keys[i]));
            cash += held;
            energyWh += heldWh;
        }
    }

    function tokensHeld() external view returns (uint256 cash, uint256 energyWh) {
        return (euro.balanceOf(address(exchange)), energy.balanceOf(address(exchange)));
    }

    /// @dev Orders filled beyond their quantity, or at a price beyond their limit and a unit of rounding for each fill.
    function brokenOrders() external view returns (uint256 broken) {
        for (uint256 i; i < orders.length; ++i) {
            Signed memory entry = orders[i];
            int256 limitNano = int256(entry.order.limitPricePerKwh) * int256(entry.filledWh);
            int256 dustNano = 1000 * int256(entry.fills);
            bool worse = entry.order.side == 0
                ? entry.money * 1000 > limitNano + dustNano
                : entry.money * 1000 < limitNano - dustNano;
            if (entry.filledWh > entry.order.energyWh || worse) ++broken;
        }
    }

    /// @dev Energy minted against the meters' registers; every meter's baseline was zero.
    function registers() external view returns (uint256 attestedWh, uint256 issuedWh, uint256 supplyWh) {
        for (uint256 i; i < keys.length; ++i) {
            (uint64 attested, uint64 issued,) = ledger.register(uint32(uint160(vm.addr(keys[i]))));
            attestedWh += attested;
            issuedWh += issued;
        }
        supplyWh = energy.totalSupply();
    }
}
