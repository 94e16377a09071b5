// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {Campaign} from "./Campaign.sol";
import {ProvenanceHandler} from "./ProvenanceHandler.sol";

/// @notice The invariants of certificates, credits and products, by number (contracts/README.md), after every step of
/// a random campaign.
contract ProvenanceInvariantTest is Campaign {
    ProvenanceHandler private handler;

    function setUp() public {
        handler = new ProvenanceHandler();
        playWith(address(handler));
    }

    function invariant_13_codes_are_issued_once_and_ends_are_final() public view {
        assertEq(handler.brokenCertificates(), 0, "certificates");
    }

    function invariant_13_everyone_counts_what_he_owns() public view {
        assertEq(handler.miscounted(), 0, "counts");
    }

    function invariant_14_retired_and_live_are_issued_within_the_cap() public view {
        assertEq(handler.brokenVintages(), 0, "vintages");
    }

    function invariant_15_replaying_a_products_events_gives_its_head_count_and_owner() public view {
        assertEq(handler.brokenLinks(), 0, "links");
        assertEq(handler.brokenProducts(), 0, "products");
    }

    /// @dev The campaign means nothing if nothing is ever added, ended, retired or refused.
    function test_handler__does_everything() public {
        for (uint256 i; i < 600; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            (uint256 a, uint256 b, uint256 c) = (seed >> 8, seed >> 72, seed >> 136);
            uint256 kind = seed % 10;
            if (kind == 0) handler.register(a, b);
            else if (kind < 3) handler.checkpoint(a, b, uint16(c), bytes32(seed), c % 8 == 0);
            else if (kind == 3) handler.handOver(a, b, c);
            else if (kind == 4) handler.certify(a, b, c);
            else if (kind == 5) handler.transfer(a, b, c);
            else if (kind == 6) handler.end(a, b, c % 2 == 0);
            else if (kind == 7) handler.issueCredits(a, b, c, uint64(seed));
            else if (kind == 8) handler.moveCredits(a, b, c, uint64(seed));
            else handler.retireCredits(a, b, uint64(seed));
        }
        assertTrue(handler.links() > 30 && handler.handedOver() > 5, "products");
        assertTrue(handler.certificatesEnded() > 5 && handler.creditsRetired() > 10, "ends");
        assertTrue(handler.refused() > 100, "refused");
    }
}
