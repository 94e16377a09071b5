// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title Certificates: tokens whose id is the code that verifies them.
/// @notice ERC-721. The token id, printed as the verification code, is the SHA-256 of the certificate's document:
/// whoever holds the document can look up who issued it, who owns it and whether it still is good, and nobody can
/// change a letter of it. What it certifies stands in the document.
/// @dev A code is issued once. Live certificates can be transferred; a retired or revoked one stays with its owner
/// for ever and its code is never issued again. Issuing calls nobody back, also not a contract that receives: it must
/// be able to handle ERC-721 tokens. `safeTransferFrom` calls the receiver last, when all is written.
interface ICertificates {
    /// @notice `None`: never issued. `Retired` and `Revoked` are final.
    enum State {
        None,
        Live,
        Retired,
        Revoked
    }

    /// @notice A certificate was issued. The `Transfer` from zero just before names its first owner, and is the one
    /// to find a code by.
    /// @param code Its verification code and token id.
    /// @param issuer Number of the issuing organisation.
    event CertificateIssued(uint256 code, uint32 issuer);

    /// @notice A certificate was used up by its owner, or for him.
    /// @param code Its code.
    /// @param owner Whose claim it is from now on.
    /// @param purpose Hash of or short text for what it was used for.
    event CertificateRetired(uint256 indexed code, address indexed owner, bytes32 purpose);

    /// @notice A certificate was declared void by its issuer.
    /// @param code Its code.
    /// @param issuer Number of the organisation.
    /// @param reason Hash of or short text for the reason.
    event CertificateRevoked(uint256 indexed code, uint32 indexed issuer, bytes32 reason);

    /// @notice An account was made an issuer of an organisation, or of none.
    /// @param issuer The account.
    /// @param number The organisation it issues for; zero for none.
    event IssuerSet(address indexed issuer, uint32 indexed number);

    /// @notice Thrown when the caller is no issuer.
    error NotIssuer(address caller);
    /// @notice Thrown when the code was issued before, whatever became of it.
    error CodeUsed(uint256 code);
    /// @notice Thrown when the code is zero, which is no document's hash.
    error ZeroCode();
    /// @notice Thrown when a certificate was never issued, or is retired or revoked.
    error NotLive(uint256 code, State state);
    /// @notice Thrown when the certificate was issued by another organisation.
    error NotItsIssuer(uint256 code, address caller, uint32 issuer);

    /// @notice Makes an account an issuer for organisation `number`, or no issuer where it is zero. Certifier only.
    /// @dev Certificates belong to the number: an organisation changes its key by having the old account set to zero
    /// and the new one to its number, which then can revoke what the old one issued. Numbers are never given to
    /// another organisation.
    function setIssuer(address issuer, uint32 number) external;

    /// @notice Issues a certificate to `to`. Issuers only.
    /// @param code SHA-256 of its document.
    function issueTo(address to, uint256 code) external;

    /// @notice Uses up a live certificate. Its owner, or whom he approved for it.
    function retire(uint256 code, bytes32 purpose) external;

    /// @notice Declares a live certificate void. Issuers of the organisation that issued it; not once it is retired.
    function revoke(uint256 code, bytes32 reason) external;

    /// @notice Number of the organisation an account issues for; zero for none.
    function issuerNumber(address account) external view returns (uint32);

    /// @notice All that is known of a code; does not revert.
    /// @return state Whether it is good.
    /// @return owner Its owner; zero for a code never issued.
    /// @return issuer Number of the organisation that issued it.
    function verify(uint256 code) external view returns (State state, address owner, uint32 issuer);
}
