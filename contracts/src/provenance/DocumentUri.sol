// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

/// @title Where a document is found that is named by its SHA-256.
library DocumentUri {
    /// @dev `ipfs://` and the CID: version 1, codec raw (0x55), multihash sha2-256 (0x12) of 32 bytes (0x20), in base
    /// 16 (prefix f). Valid for documents stored as one raw block, as they are up to 1 MiB.
    function uri(bytes32 sha256Hash) internal pure returns (string memory) {
        bytes memory digits = bytes(Strings.toHexString(uint256(sha256Hash), 32));
        // The hash's length, over the 0x that toHexString puts first.
        digits[0] = "2";
        digits[1] = "0";
        return string.concat("ipfs://f015512", string(digits));
    }
}
