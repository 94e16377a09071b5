// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {ICertificates} from "../../../contracts/src/interfaces/ICertificates.sol";
import {Vm} from "./Base.sol";
import {ProvenanceFixture} from "./ProvenanceFixture.sol";

/// @notice Receives certificates and answers by trying to use them at once.
contract GreedyReceiver {
    ICertificates private immutable certificates;
    uint256 public calls;
    uint256 public stolen;

    constructor(ICertificates certificates_) {
        certificates = certificates_;
    }

    function onERC721Received(address, address from, uint256 code, bytes calldata) external returns (bytes4) {
        ++calls;
        Tokens tokens = Tokens(address(certificates));
        try tokens.transferFrom(from, address(this), code) {
            ++stolen;
        } catch {}
        certificates.retire(code, "mine now"); // it is: the transfer is complete
        try certificates.retire(code, "twice") {
            ++stolen;
        } catch {}
        return this.onERC721Received.selector;
    }
}

interface Tokens {
    function transferFrom(address from, address to, uint256 code) external;
}

/// @notice Every external function of the certificates, case by case.
contract CertificatesTest is ProvenanceFixture {
    bytes32 private constant TRANSFER = keccak256("Transfer(address,address,uint256)");
    uint256 private constant CODE = uint256(keccak256("certificate of origin"));

    /* ISSUE */

    function test_13_issue__by_an_issuer__is_live_and_owned() public {
        vm.recordLogs();
        issue(CODE);
        assertState(CODE, ICertificates.State.Live, ANNA, LAB_NUMBER);
        assertTrue(certificates.ownerOf(CODE) == ANNA && certificates.balanceOf(ANNA) == 1, "owner");
        bytes32[] memory topics = vm.getRecordedLogs()[0].topics;
        assertTrue(topics.length == 4 && topics[0] == TRANSFER && uint256(topics[3]) == CODE, "transfer");
    }

    function test_issue__emits_its_issuer() public {
        vm.recordLogs();
        issue(CODE);
        Vm.Log memory log = vm.getRecordedLogs()[1];
        assertTrue(log.topics[0] == ICertificates.CertificateIssued.selector, "event");
        (uint256 code, uint32 issuer) = abi.decode(log.data, (uint256, uint32));
        assertTrue(code == CODE && issuer == LAB_NUMBER, "code and issuer");
    }

    function test_issue__stranger_or_removed_issuer__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICertificates.NotIssuer.selector, STRANGER));
        vm.prank(STRANGER);
        certificates.issueTo(STRANGER, CODE);
        setIssuer(LAB, 0);
        vm.expectRevert(abi.encodeWithSelector(ICertificates.NotIssuer.selector, LAB));
        issue(CODE);
    }

    function test_issue__to_nobody_or_without_a_document__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721InvalidReceiver.selector, address(0)));
        vm.prank(LAB);
        certificates.issueTo(address(0), CODE);
        vm.expectRevert(ICertificates.ZeroCode.selector);
        issue(0);
    }

    function test_13_issue__code_live_retired_or_revoked__reverts() public {
        (uint256 retired, uint256 revoked) = (CODE + 1, CODE + 2);
        issue(CODE);
        issue(retired);
        issue(revoked);
        vm.prank(ANNA);
        certificates.retire(retired, 0);
        vm.prank(LAB);
        certificates.revoke(revoked, 0);
        for (uint256 code = CODE; code <= revoked; ++code) {
            vm.expectRevert(abi.encodeWithSelector(ICertificates.CodeUsed.selector, code));
            vm.prank(RIVAL);
            certificates.issueTo(BEN, code);
        }
    }

    function testFuzz_13_issue__any_code_and_owner__once(uint256 code, address to, address again) public {
        vm.assume(code != 0 && to != address(0) && again != address(0));
        vm.prank(LAB);
        certificates.issueTo(to, code);
        assertState(code, ICertificates.State.Live, to, LAB_NUMBER);
        vm.expectRevert(abi.encodeWithSelector(ICertificates.CodeUsed.selector, code));
        vm.prank(LAB);
        certificates.issueTo(again, code);
    }

    function test_issue__to_a_contract__calls_nobody() public {
        GreedyReceiver receiver = new GreedyReceiver(certificates);
        vm.prank(LAB);
        certificates.issueTo(address(receiver), CODE);
        assertEq(receiver.calls(), 0, "called");
    }

    /* RETIRE */

    function test_13_retire__by_the_owner__is_final_and_stays_his() public {
        issue(CODE);
        vm.recordLogs();
        vm.prank(ANNA);
        certificates.retire(CODE, "household 2027");
        assertTrue(bytes32(vm.getRecordedLogs()[0].data) == "household 2027", "purpose");
        assertState(CODE, ICertificates.State.Retired, ANNA, LAB_NUMBER);
        assertTrue(certificates.ownerOf(CODE) == ANNA && certificates.balanceOf(ANNA) == 1, "owner");
        assertNotLive(CODE, ICertificates.State.Retired);
    }

    function test_retire__by_whom_the_owner_approved() public {
        issue(CODE);
        issue(CODE + 1);
        vm.prank(ANNA);
        certificates.approve(BEN, CODE);
        vm.prank(BEN);
        certificates.retire(CODE, 0);
        vm.prank(ANNA);
        certificates.setApprovalForAll(CLEO, true);
        vm.prank(CLEO);
        certificates.retire(CODE + 1, 0);
        assertState(CODE, ICertificates.State.Retired, ANNA, LAB_NUMBER);
        assertState(CODE + 1, ICertificates.State.Retired, ANNA, LAB_NUMBER);
    }

    function test_attack_retire__of_anothers__reverts() public {
        issue(CODE);
        for (uint256 i; i < 3; ++i) {
            address thief = [BEN, LAB, CERTIFIER][i];
            vm.expectRevert(
                abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, thief, CODE)
            );
            vm.prank(thief);
            certificates.retire(CODE, 0);
        }
    }

    function test_retire__unknown__reverts() public {
        vm.expectRevert(
            abi.encodeWithSelector(ICertificates.NotLive.selector, CODE, ICertificates.State.None)
        );
        vm.prank(ANNA);
        certificates.retire(CODE, 0);
    }

    /* REVOKE */

    function test_13_revoke__by_its_issuer__is_final() public {
        issue(CODE);
        vm.recordLogs();
        vm.prank(LAB);
        certificates.revoke(CODE, "forged report");
        assertTrue(bytes32(vm.getRecordedLogs()[0].data) == "forged report", "reason");
        assertState(CODE, ICertificates.State.Revoked, ANNA, LAB_NUMBER);
        assertNotLive(CODE, ICertificates.State.Revoked);
    }

    function test_revoke__after_a_transfer__holds_for_the_new_owner() public {
        issue(CODE);
        vm.prank(ANNA);
        certificates.transferFrom(ANNA, BEN, CODE);
        vm.prank(LAB);
        certificates.revoke(CODE, 0);
        assertState(CODE, ICertificates.State.Revoked, BEN, LAB_NUMBER);
    }

    function test_revoke__by_another_organisation_or_none__reverts() public {
        issue(CODE);
        vm.expectRevert(abi.encodeWithSelector(ICertificates.NotItsIssuer.selector, CODE, RIVAL, LAB_NUMBER));
        vm.prank(RIVAL);
        certificates.revoke(CODE, 0);
        vm.expectRevert(abi.encodeWithSelector(ICertificates.NotIssuer.selector, ANNA));
        vm.prank(ANNA);
        certificates.revoke(CODE, 0);
    }

    function test_revoke__after_a_change_of_key__by_the_new_one_only() public {
        issue(CODE);
        setIssuer(LAB, 0);
        setIssuer(STRANGER, LAB_NUMBER);
        vm.expectRevert(abi.encodeWithSelector(ICertificates.NotIssuer.selector, LAB));
        vm.prank(LAB);
        certificates.revoke(CODE, 0);
        vm.prank(STRANGER);
        certificates.revoke(CODE, 0);
        assertState(CODE, ICertificates.State.Revoked, ANNA, LAB_NUMBER);
    }

    /* TRANSFER */

    function test_transferFrom__live__moves_and_clears_the_approval() public {
        issue(CODE);
        vm.prank(ANNA);
        certificates.approve(CLEO, CODE);
        vm.prank(CLEO);
        certificates.transferFrom(ANNA, BEN, CODE);
        assertState(CODE, ICertificates.State.Live, BEN, LAB_NUMBER);
        assertTrue(certificates.balanceOf(ANNA) == 0 && certificates.balanceOf(BEN) == 1, "counts");
        assertTrue(certificates.getApproved(CODE) == address(0), "approval");
    }

    function test_transferFrom__to_oneself__changes_nothing() public {
        issue(CODE);
        vm.prank(ANNA);
        certificates.transferFrom(ANNA, ANNA, CODE);
        assertState(CODE, ICertificates.State.Live, ANNA, LAB_NUMBER);
        assertEq(certificates.balanceOf(ANNA), 1, "count");
    }

    function test_transferFrom__by_a_stranger_from_another_or_to_nobody__reverts() public {
        issue(CODE);
        vm.expectRevert(
            abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, STRANGER, CODE)
        );
        vm.prank(STRANGER);
        certificates.transferFrom(ANNA, STRANGER, CODE);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721IncorrectOwner.selector, BEN, CODE, ANNA));
        vm.prank(ANNA);
        certificates.transferFrom(BEN, CLEO, CODE);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721InvalidReceiver.selector, address(0)));
        vm.prank(ANNA);
        certificates.transferFrom(ANNA, address(0), CODE);
    }

    function test_attack_safeTransferFrom__receiver_calls_back__gains_nothing() public {
        GreedyReceiver receiver = new GreedyReceiver(certificates);
        issue(CODE);
        vm.prank(ANNA);
        certificates.safeTransferFrom(ANNA, address(receiver), CODE);
        assertTrue(receiver.calls() == 1 && receiver.stolen() == 0, "calls");
        assertState(CODE, ICertificates.State.Retired, address(receiver), LAB_NUMBER);
        assertTrue(certificates.balanceOf(ANNA) == 0, "count");
        assertTrue(certificates.balanceOf(address(receiver)) == 1, "count of the receiver");
    }

    /* ADMINISTRATION AND VIEWS */

    function test_setIssuer__by_others_than_the_certifier__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, LAB));
        vm.prank(LAB);
        certificates.setIssuer(LAB, 9);
        assertEq(certificates.issuerNumber(LAB), LAB_NUMBER, "number");
    }

    function test_verify__unknown__is_none() public view {
        assertState(CODE, ICertificates.State.None, address(0), 0);
    }

    function test_views__of_unknown_codes_and_nobody__revert() public {
        bytes memory nonexistent = abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, CODE);
        vm.expectRevert(nonexistent);
        certificates.ownerOf(CODE);
        vm.expectRevert(nonexistent);
        certificates.tokenURI(CODE);
        vm.expectRevert(nonexistent);
        certificates.getApproved(CODE);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721InvalidOwner.selector, address(0)));
        certificates.balanceOf(address(0));
    }

    function test_tokenURI__is_the_documents_address_on_ipfs() public {
        uint256 code = 0x00ff;
        issue(code);
        assertEq(
            bytes(certificates.tokenURI(code)),
            "ipfs://f0155122000000000000000000000000000000000000000000000000000000000000000ff",
            "CID"
        );
    }

    function test_supportsInterface__erc721() public view {
        assertTrue(certificates.supportsInterface(0x80ac58cd), "ERC-721");
        assertTrue(certificates.supportsInterface(0x5b5e139f), "metadata");
        assertEq(bytes(certificates.symbol()), "gCERT", "symbol");
    }

    /* HELPERS */

    function issue(uint256 code) private {
        vm.prank(LAB);
        certificates.issueTo(ANNA, code);
    }

    function setIssuer(address issuer, uint32 number) private {
        vm.prank(CERTIFIER);
        certificates.setIssuer(issuer, number);
    }

    /// @dev Neither its owner nor its issuer can do anything with it.
    function assertNotLive(uint256 code, ICertificates.State state) private {
        bytes memory reason = abi.encodeWithSelector(ICertificates.NotLive.selector, code, state);
        vm.expectRevert(reason);
        vm.prank(ANNA);
        certificates.retire(code, 0);
        vm.expectRevert(reason);
        vm.prank(ANNA);
        certificates.transferFrom(ANNA, BEN, code);
        vm.expectRevert(reason);
        vm.prank(LAB);
        certificates.revoke(code, 0);
    }

    function assertState(uint256 code, ICertificates.State state, address owner, uint32 issuer) private view {
        (ICertificates.State found, address foundOwner, uint32 foundIssuer) = certificates.verify(code);
        assertTrue(found == state && foundOwner == owner && foundIssuer == issuer, "verify");
    }
}
