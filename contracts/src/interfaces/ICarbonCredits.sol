// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title Carbon credits by project and vintage.
/// @notice ERC-1155. A token id is a project and the year in which its emissions were avoided; one unit is one gram
/// of CO2 equivalent, a tonne is 1,000,000. Retiring takes credits out of the world for good, in a beneficiary's
/// name.
/// @dev What may be issued of a vintage is capped by the administrator on the strength of a verified document; the
/// carbon issuer issues under that cap. Of every vintage: retired + live = issued ≤ cap. As ERC-1155 demands, `issue`
/// and transfers call a receiving contract, last, when all is written.
interface ICarbonCredits {
    /// @param capG Most that may ever be issued, in g.
    /// @param issuedG Issued so far, in g.
    /// @param retiredG Of that, retired, in g.
    /// @param document SHA-256 of the verification report.
    struct Vintage {
        uint64 capG;
        uint64 issuedG;
        uint64 retiredG;
        bytes32 document;
    }

    /// @notice A vintage was opened, or its cap or document changed.
    /// @param id Token id: `project << 16 | vintage`.
    /// @param project Number of the project.
    /// @param vintage Year in which the emissions were avoided.
    /// @param capG Most that may ever be issued, in g.
    /// @param document SHA-256 of the verification report.
    event VintageSet(
        uint256 indexed id, uint64 indexed project, uint16 vintage, uint64 capG, bytes32 document
    );

    /// @notice Credits were issued.
    /// @param id Token id.
    /// @param to Their first owner.
    /// @param amountG How much, in g.
    /// @param evidence SHA-256 of the monitoring report.
    event CreditsIssued(uint256 indexed id, address indexed to, uint64 amountG, bytes32 evidence);

    /// @notice Credits were retired.
    /// @param id Token id.
    /// @param owner Whose they were.
    /// @param beneficiary Who may claim the emissions avoided.
    /// @param amountG How much, in g.
    /// @param reason Hash of or short text for the reason.
    event CreditsRetired(
        uint256 indexed id, address indexed owner, address indexed beneficiary, uint64 amountG, bytes32 reason
    );

    /// @notice Thrown when a vintage's cap is not above zero, or below what was issued.
    error CapTooLow(uint256 id, uint64 capG, uint64 issuedG);
    /// @notice Thrown when more would be issued than the cap leaves; an unknown vintage leaves nothing.
    error CapExceeded(uint256 id, uint64 amountG, uint64 leftG);
    /// @notice Thrown when nothing would be issued or retired.
    error ZeroCredits(uint256 id);
    /// @notice Thrown when credits are retired for nobody.
    error ZeroBeneficiary(uint256 id);

    /// @notice Opens a vintage, or changes its cap, not below what was issued, and its document. Administrator only.
    function setVintage(uint64 project, uint16 vintage, uint64 capG, bytes32 document) external;

    /// @notice Issues credits of an open vintage under its cap. Carbon issuer only.
    function issue(address to, uint256 id, uint64 amountG, bytes32 evidence) external;

    /// @notice Retires the caller's own credits in a beneficiary's name, for good.
    function retire(uint256 id, uint64 amountG, address beneficiary, bytes32 reason) external;

    /// @notice The token id of a project's vintage.
    function idOf(uint64 project, uint16 vintage) external pure returns (uint256);

    /// @notice A vintage; all zero where it was never opened.
    function vintageOf(uint256 id) external view returns (Vintage memory);
}
