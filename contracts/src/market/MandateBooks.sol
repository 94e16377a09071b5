// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {ISettlementExchange} from "../interfaces/ISettlementExchange.sol";
import {
    AccountWord,
    ENERGY_AT,
    FILLED,
    FILLED_AT,
    SIDE_AT,
    SLOT_AT,
    SPARE_BITS,
    VAULT_FIELDS
} from "./AccountWord.sol";
import {BatchHeader} from "./BatchHeader.sol";
import {OrderHash} from "./OrderHash.sol";
import {BOUGHT_SUM_AT, SOLD_SUM_AT, withMandates} from "./Tally.sol";
import {Vault} from "./Vault.sol";

/// @title Trading mandates: signatures are checked once, when a book is registered; batches then only name its entries.
/// @dev A book is the code of a contract that does nothing else, behind a zero byte that stops whoever calls it: to read
/// code costs a twentieth of reading storage. Only books that this contract created are ever read.
abstract contract MandateBooks is Vault {
    using AccountWord for uint256;

    /// @notice Most mandates in a book, so that registering one fits a transaction and its code the limit for code.
    uint256 public constant MAX_MANDATES = 400;

    /// @dev The highest number whose creation `bookOf` can name.
    uint32 private constant MAX_BOOK = 0xffffff;

    uint256 internal constant BOOK_BYTES = 6;
    uint256 internal constant FILL_BYTES = 16;
    uint256 private constant MANDATE_BYTES = 54;
    uint256 private constant SIGNATURE_BYTES = 64;

    /// @dev Of a book's code: for each mandate what settlement looks at: address account, uint48 nonce, int48
    /// minSellPricePerKwh, int48 maxBuyPricePerKwh, uint32 maxWhPerSlot; then uint32 validFrom, uint32 expiry.
    uint256 private constant WINDOW_BYTES = 8;
    uint256 private constant ENTRY_BYTES = 42;

    /// @dev What brings a field of an account's word to the high end, and the bits below a nonce that stands there.
    uint256 private constant NONCE_UP = 96;
    uint256 private constant CLEARED_UP = 64;
    uint256 private constant BELOW_NONCE = 2 ** 208 - 1;

    /// @dev The side's bit in a fill.
    uint256 private constant SELLS = 1 << 240;

    /// @inheritdoc ISettlementExchange
    function registerMandates(bytes calldata mandates, bytes calldata signatures)
        external
        returns (uint32 book)
    {
        uint256 count = mandates.length / MANDATE_BYTES;
        bool whole = mandates.length == count * MANDATE_BYTES && signatures.length == count * SIGNATURE_BYTES;
        if (count == 0 || count > MAX_MANDATES || !whole) {
            revert BadMandates(mandates.length, signatures.length);
        }
        uint32 validFrom;
        uint32 expiry = type(uint32).max;
        bytes memory entries = new bytes(ENTRY_BYTES * count);
        for (uint256 i; i < count; ++i) {
            bytes calldata packed = mandates[i * MANDATE_BYTES:];
            TradingMandate memory mandate = _unpacked(packed);
            _checkMandate(mandate, signatures[i * SIGNATURE_BYTES:]);
            if (mandate.validFrom > validFrom) validFrom = mandate.validFrom;
            if (mandate.expiry < expiry) expiry = mandate.expiry;
            assembly ("memory-safe") {
                let entry := add(add(entries, 0x20), mul(i, ENTRY_BYTES))
                calldatacopy(entry, packed.offset, 20) // account
                calldatacopy(add(entry, 20), add(packed.offset, 24), 6) // nonce
                calldatacopy(add(entry, 26), add(packed.offset, 42), 12) // prices
                calldatacopy(add(entry, 38), add(packed.offset, 38), 4) // maxWhPerSlot
            }
        }
        book = ++_books;
        _create(abi.encodePacked(entries, validFrom, expiry), book);
        emit MandatesRegistered(book, mandates);
    }

    /// @inheritdoc ISettlementExchange
    function bookOf(uint32 book) public view returns (address) {
        if (book > MAX_BOOK) return address(0);
        // The address that the number-th creation of this contract has (CREATE, RLP of sender and nonce; the first
        // nonce is 1). It creates nothing but books, so no other code can ever stand there. A number below 0x80 is its own
        // RLP, a larger one has its length before it.
        bytes32 created;
        assembly ("memory-safe") {
            let width := add(add(gt(book, 0x7f), gt(book, 0xff)), gt(book, 0xffff))
            let bits := shl(3, width)
            let list := or(shl(160, add(0xd694, shl(8, width))), address())
            list := or(shl(8, list), mul(gt(width, 0), add(0x80, width)))
            mstore(0, or(shl(bits, list), book))
            created := keccak256(sub(9, width), add(23, width))
        }
        return address(uint160(uint256(created)));
    }

    /// @inheritdoc ISettlementExchange
    function tradingMandateDigest(TradingMandate calldata mandate) external view returns (bytes32) {
        return _hashTypedDataV4(OrderHash.hash(mandate));
    }

    function _unpacked(bytes calldata packed) private pure returns (TradingMandate memory) {
        return TradingMandate({
            account: address(bytes20(packed)),
            zone: uint32(bytes4(packed[20:])),
            nonce: uint48(bytes6(packed[24:])),
            validFrom: uint32(bytes4(packed[30:])),
            expiry: uint32(bytes4(packed[34:])),
            maxWhPerSlot: uint32(bytes4(packed[38:])),
            minSellPricePerKwh: int48(uint48(bytes6(packed[42:]))),
            maxBuyPricePerKwh: int48(uint48(bytes6(packed[48:])))
        });
    }

    function _checkMandate(TradingMandate memory mandate, bytes calldata signature) private view {
        bytes32 digest = _hashTypedDataV4(OrderHash.hash(mandate));
        (address signer, ECDSA.RecoverError failure,) =
            ECDSA.tryRecover(digest, bytes32(signature[:32]), bytes32(signature[32:64]));
        if (failure != ECDSA.RecoverError.NoError || signer != mandate.account) {
            revert BadSignature(mandate.account, digest);
        }
        if (mandate.maxWhPerSlot > FILLED) revert MandateTooLarge(mandate.account, mandate.maxWhPerSlot);
    }

    /// @dev The creation code returns what follows it: PUSH2 length, DUP1, PUSH1 10, 0, CODECOPY, 0, RETURN.
    function _create(bytes memory content, uint32 book) private {
        bytes memory creation =
            abi.encodePacked(hex"61", uint16(content.length + 1), hex"80600a3d393df300", content);
        address code;
        assembly ("memory-safe") {
            code := create(0, add(creation, 0x20), mload(creation))
        }
        // It fails only for want of gas, and then takes its number back with everything else.
        if (code == address(0) || code != bookOf(book)) revert UnknownBook(book);
    }

    /* FILLS */

    /// @dev Fills the mandates that a batch names, from calldata position `place` on.
    function _settleBooks(uint256 place, BatchHeader header, uint256 tally) internal returns (uint256) {
        uint256 counted; // in bytes
        uint256 stated;
        unchecked {
            stated = header.fills() * FILL_BYTES;
        }
        uint256 books = header.books();
        uint256 free; // every section uses the same memory again: a batch may name as many books as it has fills
        assembly ("memory-safe") {
            free := mload(0x40)
        }
        for (uint256 i; i < books; ++i) {
            assembly ("memory-safe") {
                mstore(0x40, free)
            }
            bytes calldata fills;
            uint32 book;
            assembly ("memory-safe") {
                let head := calldataload(place)
                book := shr(224, head)
                fills.offset := add(place, BOOK_BYTES)
                fills.length := mul(and(shr(208, head), 0xffff), FILL_BYTES)
                counted := add(counted, fills.length)
                place := add(fills.offset, fills.length)
            }
            if (counted > stated) break;
            if (fills.length == 0) revert EmptySection(book);
            tally = _fillMandates(book, fills, header.deliveryStart(), tally);
            emit MandatesSettled(header.sequence(), header.deliveryStart(), book, header.version(), fills);
        }
        if (counted != stated) revert FillsMiscounted(counted / FILL_BYTES, header.fills());
        return tally;
    }

    /// @dev The hot path: every rule is a term of `refused`, so that a fill that keeps them all is decided by one jump.
    function _fillMandates(uint32 book, bytes calldata fills, uint256 deliveryStart, uint256 tally)
        private
        returns (uint256 settled)
    {
        (uint256 first, uint256 last) = _openBook(book, deliveryStart);
        uint256 place;
        uint256 left;
        uint256 sums; // of the fills, as `withMandates` reads them
        assembly ("memory-safe") {
            let slot := shl(SLOT_AT, deliveryStart) // 32 bits, as the book's expiry is not before it
            place := fills.offset
            let end := add(place, fills.length)
            mstore(0x20, _accounts.slot) // for the key of every account
            for {} lt(place, end) { place := add(place, FILL_BYTES) } {
                let fill := calldataload(place) // index, side, fillWh, money, deliveredWh
                let mandate := add(first, mul(shr(241, fill), ENTRY_BYTES))
                mstore(0, shr(96, mload(mandate)))
                let accountSlot := keccak256(0, 0x40)
                let word := sload(accountSlot)
                let terms := mload(add(mandate, 20)) // nonce, minSell, maxBuy, maxWhPerSlot

                // In the book, not revoked, cleared. The last two compare a field at the high end, whatever is below.
                let refused := gt(mandate, last)
                refused := or(refused, gt(shl(NONCE_UP, word), or(terms, BELOW_NONCE)))
                refused := or(refused, lt(shl(CLEARED_UP, word), slot))

                // Money and energy, as for an order; a seller does what a buyer does with the sign turned.
                let fillWh := and(shr(208, fill), 0xffffffff)
                let use
                let moved
                {
                    let money := signextend(5, shr(160, fill))
                    let received := and(shr(128, fill), 0xffffffff)
                    refused := or(refused, gt(received, fillWh))
                    received := shl(ENERGY_AT, received)
                    switch and(fill, SELLS)
                    case 0 {
                        let worth := mul(signextend(5, shr(112, terms)), fillWh)
                        refused := or(refused, sgt(sub(mul(money, 1000), worth), 999))
                        moved := sub(received, money)
                        sums := add(sums, add(moved, shl(BOUGHT_SUM_AT, fillWh)))
                        use := slot
                    }
                    default {
                        let worth := mul(signextend(5, shr(160, terms)), fillWh)
                        refused := or(refused, sgt(sub(worth, mul(money, 1000)), 999))
                        moved := sub(money, received)
                        sums := add(sums, add(moved, shl(SOLD_SUM_AT, fillWh)))
                        use := or(slot, shl(SIDE_AT, 1))
                    }
                }

                // The account lane starts again in a later slot, or goes on in its slot and on its side: from there the
                // word is `before` Wh away, from the other side less than nothing or more than any mandate allows.
                if gt(word, slot) {
                    let before := sar(FILLED_AT, sub(word, use))
                    refused := or(refused, slt(before, 0))
                    fillWh := add(fillWh, before)
                }
                refused := or(refused, gt(fillWh, and(shr(80, terms), 0xffffffff)))
                word := add(add(and(word, VAULT_FIELDS), moved), add(use, shl(FILLED_AT, fillWh)))
                if or(refused, and(word, SPARE_BITS)) { break }
                sstore(accountSlot, word)
            }
            left := sub(end, place)
        }
        // An early return also keeps this function out of its caller's full stack.
        if (left == 0) return withMandates(tally, sums);
        _refuseMandate(place, book, first, last, uint64(deliveryStart));
    }

    /// @dev The book's first and last mandate, in memory that stays free: they are read before anything is allocated. A book
    /// is in force while all of its mandates are.
    function _openBook(uint32 book, uint256 deliveryStart)
        private
        view
        returns (uint256 first, uint256 last)
    {
        address code = bookOf(book);
        uint256 size;
        uint256 window;
        assembly ("memory-safe") {
            size := extcodesize(code)
            first := mload(0x40)
            extcodecopy(code, first, 1, size)
            last := sub(add(first, size), add(WINDOW_BYTES, 1))
            window := mload(last)
            last := sub(last, ENTRY_BYTES)
        }
        if (size == 0) revert UnknownBook(book);
        (uint32 validFrom, uint32 expiry) = (uint32(window >> 224), uint32(window >> 192));
        if (deliveryStart < validFrom || expiry < deliveryStart) {
            revert BookNotInForce(book, validFrom, expiry, uint64(deliveryStart));
        }
    }

    /// @dev Names what the hot path refused: the same rules in the same order.
    function _refuseMandate(uint256 place, uint32 book, uint256 first, uint256 last, uint64 deliveryStart)
        private
        view
    {
        uint256 fill;
        address account;
        uint256 terms;
        assembly ("memory-safe") {
            fill := calldataload(place)
            let mandate := add(first, mul(shr(241, fill), ENTRY_BYTES))
            account := shr(96, mload(mandate))
            terms := mload(add(mandate, 20))
        }
        uint256 count = (last - first) / ENTRY_BYTES + 1;
        if (fill >> 241 >= count) revert NotInBook(book, fill >> 241, count);
        uint256 word = _accounts[account].value;
        uint48 nonce = uint48(terms >> 208);
        if (nonce < word.minNonce()) revert MandateVoid(account, nonce, word.minNonce());
        if (word.clearedUntil() < deliveryStart) {
            revert NotCleared(account, word.clearedUntil(), deliveryStart);
        }
        uint8 side = uint8(fill >> 240) & 1;
        _refuseSlot(account, word, side, deliveryStart, uint32(fill >> 208), uint32(terms >> 80));
        int48 limit = int48(uint48(terms >> (side == 0 ? 112 : 160)));
        int64 money = int48(uint48(fill >> 160));
        _refuseExchange(account, word, side, uint32(fill >> 208), money, uint32(fill >> 128), limit);
    }

    /// @dev Reverts if the account lane cannot take the fill.
    function _refuseSlot(
        address account,
        uint256 word,
        uint8 side,
        uint64 deliveryStart,
        uint256 fillWh,
        uint48 mostWh
    ) internal pure {
        uint32 last = word.lastSlot();
        if (last > deliveryStart) revert SlotPassed(account, deliveryStart, last);
        if (last == deliveryStart) {
            if (word.lastSide() != side) revert OtherSide(account, side, deliveryStart);
            fillWh += word.filledWh();
        }
        if (fillWh > mostWh || fillWh > FILLED) revert OverFilled(account, 0, fillWh, mostWh);
    }

    /// @dev Reverts if the terms or the account do not allow the exchange of money and energy. Is only called where one
    /// of the rules must fail.
    function _refuseExchange(
        address account,
        uint256 word,
        uint8 side,
        uint48 fillWh,
        int64 money,
        uint48 deliveredWh,
        int48 limit
    ) internal pure {
        if (deliveredWh > fillWh) revert OverDelivered(account, deliveredWh, fillWh);
        int256 sign = side == 0 ? int256(1) : -1;
        int256 worseByNano = sign * (int256(money) * 1000 - int256(limit) * int256(uint256(fillWh)));
        if (worseByNano >= 1000) revert WorseThanLimit(account, money, limit, fillWh);
        word = word.movedCash(account, -sign * money);
        side == 0 ? word.addEnergy(account, deliveredWh) : word.subEnergy(account, deliveredWh);
        assert(false);
    }
}
