// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

import {ICertificates} from "../interfaces/ICertificates.sol";
import {DocumentUri} from "./DocumentUri.sol";

/// @title Certificates of origin and of quality.
/// @dev OpenZeppelin's ERC-721 with owner, state and issuer in one storage word, so that issuing writes one new slot
/// and retiring rewrites one. `_ownerOf`, `balanceOf` and `_update` are overridden together; OpenZeppelin's own
/// owners and balances stay empty. There is no burning: a certificate that ended is still its owner's.
contract Certificates is ICertificates, ERC721, AccessManaged {
    /// @dev From the low end: address owner, uint8 state, uint32 issuer. A struct, so that a function can hold the
    /// slot and hash its key once.
    struct Word {
        uint256 value;
    }

    uint256 private constant STATE_AT = 160;
    uint256 private constant ISSUER_AT = 168;
    uint256 private constant LIVE = uint256(State.Live) << STATE_AT;

    /// @inheritdoc ICertificates
    mapping(address account => uint32 number) public issuerNumber;
    mapping(uint256 code => Word) private _certificates;
    mapping(address owner => Word) private _counts;

    constructor(address authority) ERC721("Gridtrace Certificate", "gCERT") AccessManaged(authority) {}

    /* LIFE OF A CERTIFICATE */

    /// @inheritdoc ICertificates
    /// @dev Functions are found in the order of their selectors: another name can cost 200 gas.
    function issueTo(address to, uint256 code) external {
        uint256 number = issuerNumber[msg.sender];
        if (number == 0) revert NotIssuer(msg.sender);
        if (to == address(0)) revert ERC721InvalidReceiver(address(0));
        if (code == 0) revert ZeroCode();
        Word storage certificate = _certificates[code];
        if (certificate.value != 0) revert CodeUsed(code);

        certificate.value = LIVE | number << ISSUER_AT | uint160(to);
        Word storage count = _counts[to];
        unchecked {
            count.value = count.value + 1; // one by one
        }
        emit Transfer(address(0), to, code);
        emit CertificateIssued(code, uint32(number));
    }

    /// @inheritdoc ICertificates
    function retire(uint256 code, bytes32 purpose) external {
        (address owner, uint32 issuer) = _live(code);
        _checkAuthorized(owner, msg.sender, code);
        _certificates[code].value = _word(owner, State.Retired, issuer);
        emit CertificateRetired(code, owner, purpose);
    }

    /// @inheritdoc ICertificates
    function revoke(uint256 code, bytes32 reason) external {
        uint32 number = issuerNumber[msg.sender];
        if (number == 0) revert NotIssuer(msg.sender);
        (address owner, uint32 issuer) = _live(code);
        if (number != issuer) revert NotItsIssuer(code, msg.sender, issuer);
        _certificates[code].value = _word(owner, State.Revoked, issuer);
        emit CertificateRevoked(code, issuer, reason);
    }

    /* ADMINISTRATION */

    /// @inheritdoc ICertificates
    function setIssuer(address issuer, uint32 number) external restricted {
        issuerNumber[issuer] = number;
        emit IssuerSet(issuer, number);
    }

    /* VIEWS */

    /// @inheritdoc ICertificates
    function verify(uint256 code) external view returns (State state, address owner, uint32 issuer) {
        uint256 word = _certificates[code].value;
        return (_stateOf(word), address(uint160(word)), uint32(word >> ISSUER_AT));
    }

    /// @inheritdoc ERC721
    function balanceOf(address owner) public view override returns (uint256) {
        if (owner == address(0)) revert ERC721InvalidOwner(address(0));
        return _counts[owner].value;
    }

    /// @notice The document's address on IPFS.
    function tokenURI(uint256 code) public view override returns (string memory) {
        _requireOwned(code);
        return DocumentUri.uri(bytes32(code));
    }

    /* INTERNALS */

    /// @inheritdoc ERC721
    function _ownerOf(uint256 code) internal view override returns (address) {
        return address(uint160(_certificates[code].value));
    }

    /// @inheritdoc ERC721
    /// @dev Only of transfers: `issueTo` does not use it and nothing burns. Always called with the one who asks.
    function _update(address to, uint256 code, address auth) internal override returns (address from) {
        uint32 issuer;
        (from, issuer) = _live(code);
        _checkAuthorized(from, auth, code);
        _approve(address(0), code, address(0), false);
        unchecked {
            --_counts[from].value; // who owns one has counted it
            ++_counts[to].value;
        }
        _certificates[code].value = _word(to, State.Live, issuer);
        emit Transfer(from, to, code);
    }

    function _live(uint256 code) private view returns (address owner, uint32 issuer) {
        uint256 word = _certificates[code].value;
        if (_stateOf(word) != State.Live) revert NotLive(code, _stateOf(word));
        return (address(uint160(word)), uint32(word >> ISSUER_AT));
    }

    function _stateOf(uint256 word) private pure returns (State) {
        return State(uint8(word >> STATE_AT));
    }

    function _word(address owner, State state, uint32 issuer) private pure returns (uint256) {
        return uint160(owner) | uint256(state) << STATE_AT | uint256(issuer) << ISSUER_AT;
    }
}
