// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ISettlementExchange} from "../../../contracts/src/interfaces/ISettlementExchange.sol";
import {ReferenceExchange} from "../../../contracts/src/reference/ReferenceExchange.sol";
import {Fixture} from "./Fixture.sol";

/// @notice What the random life of the exchange remembers: what was signed and what was settled, and every loss, price
/// and fill that nobody allowed.
abstract contract HandlerBooks is Fixture {
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
    uint48 internal lastNonce;
    uint32 internal mandateNonce;

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
    uint256 public mandatesBeyondLimit;
    uint256 public selfTrades;
    uint256 public unbalancedSelfTrades;

    /// @dev In whatever happens, nobody but `mover` has less afterwards; nobody at all where that is no one's address.
    modifier onlyLoss(address mover) {
        uint256[6] memory before = balances();
        _;
        uint256[6] memory afterwards = balances();
        for (uint256 i; i < 6; ++i) {
            if (afterwards[i] < before[i] && vm.addr(keys[i / 2]) != mover) ++unallowedLosses;
        }
    }

    /* A BATCH */

    function play(ReferenceExchange.Batch memory batch) internal returns (bool ok) {
        (uint256 cash, uint256 energyWh) = sums();
        uint256[6] memory before = balances();
        uint256 collected = exchange.fees();
        bytes memory packed = encode(batch);
        vm.prank(OPERATOR);
        (ok,) = address(exchange).call(abi.encodeCall(exchange.settleBatch, (packed)));
        ok ? ++settled : ++refused;
        if (exchange.fees() > collected + feeCap(batch)) ++feesAboveCap;
        (uint256 cashAfter, uint256 energyAfter) = sums();
        if (cash != cashAfter || energyWh != energyAfter) ++unbalancedBatches;
        uint256[6] memory afterwards = balances();
        for (uint256 i; i < keys.length; ++i) {
            (uint256 cashLoss, uint256 energyLoss) = allowedLoss(batch, uint16(i));
            bool poorer = afterwards[2 * i] + cashLoss < before[2 * i];
            if (poorer || afterwards[2 * i + 1] + energyLoss < before[2 * i + 1]) ++unallowedLosses;
        }
    }

    /// @dev 4: the most that a batch may take of the account's cash and energy, by the words of its owner that it names.
    function allowedLoss(ReferenceExchange.Batch memory batch, uint16 index)
        private
        view
        returns (uint256 cash, uint256 energyWh)
    {
        address owner = vm.addr(keys[index]);
        for (uint256 i; i < batch.fills.length; ++i) {
            ISettlementExchange.Order memory order = batch.fills[i].order;
            if (order.trader != owner) continue;
            cash += costOf(order.side, order.limitPricePerKwh, batch.fills[i].fillWh);
            if (order.side == 1) energyWh += batch.fills[i].fillWh;
        }
        ISettlementExchange.TradingMandate memory mandate = tradingMandateOf(keys[index]);
        for (uint256 i; i < batch.books.length; ++i) {
            for (uint256 k; k < batch.books[i].fills.length; ++k) {
                ReferenceExchange.MandateFill memory fill = batch.books[i].fills[k];
                if (fill.index != index) continue;
                int48 limit = fill.side == 0 ? mandate.maxBuyPricePerKwh : mandate.minSellPricePerKwh;
                cash += costOf(fill.side, limit, fill.fillWh);
                if (fill.side == 1) energyWh += fill.fillWh;
            }
        }
        for (uint256 i; i < batch.adjustments.length; ++i) {
            int64 money = batch.adjustments[i].money;
            if (batch.adjustments[i].account == owner && money < 0) cash += uint64(-money);
        }
    }

    /// @dev What a fill costs at its limit, if anything: a buyer pays at a positive price, a seller at a negative one.
    function costOf(uint8 side, int48 limit, uint48 fillWh) private pure returns (uint256) {
        int64 most = up(side == 0 ? limit : -limit, fillWh);
        return most > 0 ? uint64(most) : 0;
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

    /* WHAT WAS SETTLED */

    function note(uint256 index, ReferenceExchange.Fill memory fill) internal {
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

    function noteMandate(uint16 index, ReferenceExchange.MandateFill memory fill, uint64 deliveryStart)
        internal
    {
        address owner = vm.addr(keys[index]);
        uint256 fillWh = fill.fillWh;
        ISettlementExchange.TradingMandate memory mandate = tradingMandateOf(keys[index]);
        bool beyond = fill.side == 0
            ? fill.money > up(mandate.maxBuyPricePerKwh, fill.fillWh)
            : fill.money < -up(-mandate.minSellPricePerKwh, fill.fillWh);
        if (beyond) ++mandatesBeyondLimit;
        if (revoked[owner]) ++revokedFills;
        laneWh[owner][deliveryStart] += fillWh;
        if (laneWh[owner][deliveryStart] > MOST_WH) ++overdrawnMandates;
        for (uint256 i; i < orders.length; ++i) {
            ISettlementExchange.Order memory other = orders[i].order;
            bool same = other.trader == owner && other.lane == 0;
            if (same && other.deliveryStart < deliveryStart) orders[i].dead = true;
        }
    }

    /// @dev 7: who trades with himself has all his energy afterwards, and his money but for the fee.
    function noteSelfTrade(address owner, uint256 cash, uint256 energyWh, uint256 collected) internal {
        ++selfTrades;
        bool whole = cashOf(owner) + exchange.fees() == cash + collected && energyOf(owner) == energyWh;
        if (!whole) ++unbalancedSelfTrades;
    }

    function up(int64 price, uint48 fillWh) internal pure returns (int64) {
        int256 nano = int256(price) * int256(uint256(fillWh));
        return int64(nano / 1000 + (nano % 1000 > 0 ? int256(1) : int256(0)));
    }

    /* FOR THE INVARIANTS */

    /// @dev Cash and energy of each.
    function balances() internal view returns (uint256[6] memory held) {
        for (uint256 i; i < keys.length; ++i) {
            (held[2 * i], held[2 * i + 1],) = exchange.accountOf(vm.addr(keys[i]));
        }
    }

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
