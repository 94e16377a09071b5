// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IParticipantRegistry} from "../../../contracts/src/interfaces/IParticipantRegistry.sol";
import {AccountWord} from "../../../contracts/src/market/AccountWord.sol";
import {SettlementExchange} from "../../../contracts/src/market/SettlementExchange.sol";

interface Vm {
    function assume(bool condition) external pure;
    function warp(uint256 time) external;
}

/// @notice The exchange, with a door to an account's word.
contract OpenExchange is SettlementExchange {
    constructor(address authority, uint32 slotSeconds, uint64 maxFee)
        SettlementExchange(
            authority,
            IParticipantRegistry(address(0)),
            IERC20(address(0)),
            IERC20(address(0)),
            slotSeconds,
            0,
            maxFee
        )
    {}

    function load(address account, uint256 word) external {
        _accounts[account].value = word;
    }

    function wordOf(address account) external view returns (uint256) {
        return _accounts[account].value;
    }
}

/// @notice Batches of two orders with any amounts, any prices and any balances, whoever signed them: the precompile's
/// answer is a free variable, so every signature is tried.
contract ExchangeProof {
    using AccountWord for uint256;

    struct Fill {
        uint8 side;
        uint16 lane;
        uint48 fillWh;
        int64 money;
        uint48 deliveredWh;
        int48 limit;
    }

    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint64 private constant T = 1_800_000_000;
    address private constant ANNA = address(0xa11a);
    address private constant BEN = address(0xbe9);
    /// @dev Powers of two, whose products solvers do at once; 70 euros a Wh either way.
    int48 private constant ANY_BUY = 1 << 46;
    int48 private constant ANY_SELL = -(1 << 46);

    OpenExchange private exchange;

    function setUp() public {
        vm.warp(T);
        // No fee but a unit for each entry: its cap is a division, which solvers cannot do for all numbers at once.
        exchange = new OpenExchange(address(this), 900, 0);
        exchange.setSettler(address(this), true);
    }

    /// @dev This contract is the authority, too: everything is allowed.
    function canCall(address, address, bytes4) external pure returns (bool, uint32) {
        return (true, 0);
    }

    /* 2: CONSERVATION */

    function check_02_settle_conserves_accountLane(
        uint64[2] memory cash,
        uint48[2] memory energyWh,
        uint48[2] memory fillWh,
        int64[2] memory money,
        uint48[2] memory deliveredWh
    ) external {
        within(cash, energyWh);
        load(cash, energyWh);
        bytes memory batch = bytes.concat(
            header(2),
            order(ANNA, Fill(0, 0, fillWh[0], money[0], deliveredWh[0], ANY_BUY)),
            order(BEN, Fill(1, 0, fillWh[1], money[1], deliveredWh[1], ANY_SELL))
        );
        if (!settles(batch)) return;
        (uint256 anna, uint256 ben) = (exchange.wordOf(ANNA), exchange.wordOf(BEN));
        assert(anna.cash() + ben.cash() + exchange.fees() == uint256(cash[0]) + cash[1]);
        assert(anna.energy() + ben.energy() == uint256(energyWh[0]) + energyWh[1]);
        assert(untouched(anna) && untouched(ben));
    }

    function check_02_07_settle_conserves_selfTrade(
        uint64 cash,
        uint48 energyWh,
        uint48 fillWh,
        int64[2] memory money,
        uint48 deliveredWh
    ) external {
        within([cash, 0], [energyWh, 0]);
        load([cash, 0], [energyWh, 0]);
        bytes memory batch = bytes.concat(
            header(2),
            order(ANNA, Fill(0, 1, fillWh, money[0], deliveredWh, ANY_BUY)),
            order(ANNA, Fill(1, 2, fillWh, money[1], deliveredWh, ANY_SELL))
        );
        if (!settles(batch)) return;
        uint256 anna = exchange.wordOf(ANNA);
        assert(anna.cash() + exchange.fees() == cash && anna.energy() == energyWh);
        assert(untouched(anna));
    }

    /* 3: PRICE AND QUANTITY */

    function check_03_settle_buyerWithinLimit(uint48 fillWh, int64 money, int48 limit) external {
        load([1 << 62, 0], [uint48(1 << 46), 1 << 46]);
        bytes memory batch = bytes.concat(
            header(2),
            order(ANNA, Fill(0, 1, fillWh, money, 0, limit)),
            order(BEN, Fill(1, 1, fillWh, 0, 0, ANY_SELL))
        );
        if (!settles(batch)) return;
        // Less than a unit above the limit: at most what the limit gives, rounded up.
        unchecked {
            assert(int256(money) * 1000 - int256(limit) * int256(uint256(fillWh)) < 1000);
        }
    }

    function check_03_settle_sellerWithinLimit(uint48 fillWh, int64 money, int48 limit) external {
        load([1 << 62, 1 << 62], [uint48(1 << 46), 1 << 46]);
        bytes memory batch = bytes.concat(
            header(2),
            order(ANNA, Fill(0, 1, fillWh, money, 0, ANY_BUY)),
            order(BEN, Fill(1, 1, fillWh, money, 0, limit))
        );
        if (!settles(batch)) return;
        unchecked {
            assert(-int256(money) * 1000 - -int256(limit) * int256(uint256(fillWh)) < 1000);
        }
    }

    /// @dev What the comparison without a division means. `excess` is money * 1000 minus the limit's worth in nano, and so
    /// `money - quotient` is the worth in cash units, rounded up: a buyer pays more than that where the excess is 1,000
    /// or more, and only there. A seller's is the same with the signs turned.
    function check_03_comparisonWithoutDivision_isRoundingUp(int128 excess, int128 quotient) external pure {
        vm.assume(
            quotient > -(1 << 100) && quotient < (1 << 100) && excess > -(1 << 120) && excess < (1 << 120)
        );
        unchecked {
            vm.assume(quotient * 1000 <= excess && excess - quotient * 1000 < 1000); // rounded down
        }
        assert((excess >= 1000) == (quotient > 0));
    }

    function check_03_accountLane_neverAboveTheOrder(uint32 filledWh, uint48 fillWh, uint48 energyWh)
        external
    {
        filledWh &= 0x7fffffff;
        uint256 lane = uint256(uint32(T)) << 224 | uint256(filledWh) << 192;
        exchange.load(ANNA, lane | wordOf(1 << 60, 0));
        exchange.load(BEN, wordOf(0, 1 << 46));
        bytes memory batch = bytes.concat(
            header(2),
            orderOf(ANNA, Fill(0, 0, fillWh, 0, 0, ANY_BUY), energyWh),
            order(BEN, Fill(1, 1, fillWh, 0, 0, ANY_SELL))
        );
        if (!settles(batch)) return;
        uint256 anna = exchange.wordOf(ANNA);
        assert(anna.filledWh() == uint256(filledWh) + fillWh && anna.filledWh() <= energyWh);
        assert(anna.lastSlot() == T && anna.lastSide() == 0);
    }

    /* HELPERS */

    /// @dev A refused batch changes nothing, so there is nothing to prove about it.
    function settles(bytes memory batch) private returns (bool ok) {
        (ok,) = address(exchange).call(abi.encodeCall(exchange.settleBatch, (batch)));
    }

    /// @dev What the vault lets an account hold.
    function within(uint64[2] memory cash, uint48[2] memory energyWh) private pure {
        vm.assume(cash[0] < 1 << 63 && cash[1] < 1 << 63 && energyWh[0] < 1 << 47 && energyWh[1] < 1 << 47);
    }

    function load(uint64[2] memory cash, uint48[2] memory energyWh) private {
        exchange.load(ANNA, wordOf(cash[0], energyWh[0]));
        exchange.load(BEN, wordOf(cash[1], energyWh[1]));
    }

    /// @dev Cleared for ever, nothing cancelled, the account lane never used.
    function wordOf(uint64 cash, uint48 energyWh) private pure returns (uint256) {
        return uint256(type(uint32).max) << 160 | uint256(energyWh) << 64 | cash;
    }

    function untouched(uint256 word) private pure returns (bool) {
        return word.minNonce() == 0 && word.clearedUntil() == type(uint32).max;
    }

    function header(uint16 orders) private pure returns (bytes memory) {
        return abi.encodePacked(uint64(0), T, uint16(0), orders, uint16(0), uint16(0), uint16(0));
    }

    function order(address trader, Fill memory fill) private pure returns (bytes memory) {
        return orderOf(trader, fill, type(uint48).max);
    }

    function orderOf(address trader, Fill memory fill, uint48 energyWh) private pure returns (bytes memory) {
        bytes memory settled = abi.encodePacked(
            trader, fill.side, uint32(1), fill.lane, uint48(1), fill.fillWh, fill.money, fill.deliveredWh
        );
        bytes memory terms = abi.encodePacked(energyWh, fill.limit, uint48(0), uint8(0), uint8(0), uint32(T));
        return bytes.concat(settled, terms, abi.encodePacked(bytes32(uint256(1)), bytes32(uint256(1))));
    }
}
