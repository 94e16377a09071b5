// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC1155Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {ICarbonCredits} from "../../../contracts/src/interfaces/ICarbonCredits.sol";
import {CarbonCredits} from "../../../contracts/src/provenance/CarbonCredits.sol";
import {Vm} from "./Base.sol";
import {ProvenanceFixture} from "./ProvenanceFixture.sol";

/// @notice Holds credits and, when it receives some, tries to retire them twice and to be issued more.
contract GreedyHolder {
    CarbonCredits private immutable carbon;
    uint256 public calls;
    uint256 public gains;

    constructor(CarbonCredits carbon_) {
        carbon = carbon_;
    }

    function onERC1155Received(address, address, uint256 id, uint256 amountG, bytes calldata)
        external
        returns (bytes4)
    {
        ++calls;
        uint64 all = uint64(carbon.balanceOf(address(this), id));
        carbon.retire(id, all, address(this), "mine");
        try carbon.retire(id, uint64(amountG), address(this), "twice") {
            ++gains;
        } catch {}
        try carbon.issue(address(this), id, 1, 0) {
            ++gains;
        } catch {}
        return this.onERC1155Received.selector;
    }
}

/// @notice Every external function of the carbon credits, case by case.
contract CarbonTest is ProvenanceFixture {
    uint64 private constant PROJECT = 12;
    uint16 private constant VINTAGE = 2027;
    uint64 private constant CAP = 5_000_000; // 5 tonnes
    bytes32 private constant REPORT = bytes32(uint256(0xff));
    uint256 private constant ID = uint256(PROJECT) << 16 | VINTAGE;

    function setUp() public override {
        super.setUp();
        carbon.setVintage(PROJECT, VINTAGE, CAP, REPORT);
    }

    /* VINTAGES */

    function test_setVintage__is_stored_and_emitted() public {
        vm.recordLogs();
        carbon.setVintage(PROJECT, VINTAGE + 1, CAP, REPORT);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertTrue(logs[0].topics[0] == ICarbonCredits.VintageSet.selector, "event");
        assertEq(uint256(logs[0].topics[1]), ID + 1, "id");
        assertEq(uint256(logs[0].topics[2]), PROJECT, "project");
        assertEq(logs[0].data, abi.encode(VINTAGE + 1, CAP, REPORT), "fields");
        assertEq(logs[1].data, abi.encode(carbon.uri(ID)), "URI");
        ICarbonCredits.Vintage memory entry = carbon.vintageOf(ID + 1);
        assertTrue(entry.capG == CAP && entry.document == REPORT && entry.issuedG == 0, "vintage");
    }

    function testFuzz_idOf__is_one_to_one(uint64 project, uint16 vintage) public view {
        uint256 id = carbon.idOf(project, vintage);
        assertTrue(uint64(id >> 16) == project && uint16(id) == vintage && id >> 80 == 0, "id");
    }

    function test_14_setVintage__cap_below_what_was_issued_or_zero__reverts() public {
        issue(ANNA, 300);
        vm.expectRevert(abi.encodeWithSelector(ICarbonCredits.CapTooLow.selector, ID, 299, 300));
        carbon.setVintage(PROJECT, VINTAGE, 299, REPORT);
        carbon.setVintage(PROJECT, VINTAGE, 300, REPORT);
        issueReverts(ANNA, 1, abi.encodeWithSelector(ICarbonCredits.CapExceeded.selector, ID, 1, 0));
        vm.expectRevert(abi.encodeWithSelector(ICarbonCredits.CapTooLow.selector, ID + 1, 0, 0));
        carbon.setVintage(PROJECT, VINTAGE + 1, 0, REPORT);
    }

    function test_setVintage__by_the_issuer__reverts() public {
        vm.expectRevert(
            abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, CARBON_ISSUER)
        );
        vm.prank(CARBON_ISSUER);
        carbon.setVintage(PROJECT, VINTAGE, type(uint64).max, REPORT);
    }

    function test_uri__is_the_reports_address_on_ipfs() public view {
        assertEq(
            bytes(carbon.uri(ID)),
            "ipfs://f0155122000000000000000000000000000000000000000000000000000000000000000ff",
            "CID"
        );
        assertEq(bytes(carbon.uri(ID + 1)), "", "unknown");
    }

    /* ISSUE */

    function test_14_issue__within_the_cap__is_owned_and_counted() public {
        vm.recordLogs();
        issue(ANNA, CAP);
        Vm.Log memory log = vm.getRecordedLogs()[0];
        assertTrue(log.topics[0] == ICarbonCredits.CreditsIssued.selector, "event");
        assertTrue(uint256(log.topics[1]) == ID && address(uint160(uint256(log.topics[2]))) == ANNA, "topics");
        assertEq(log.data, abi.encode(CAP, bytes32("monitoring")), "fields");
        assertTrue(carbon.balanceOf(ANNA, ID) == CAP && carbon.vintageOf(ID).issuedG == CAP, "issued");
    }

    function testFuzz_14_issue__never_beyond_the_cap(uint64 capG, uint64 first, uint64 second) public {
        capG = uint64(bound(capG, 1, type(uint64).max));
        first = uint64(bound(first, 1, capG));
        carbon.setVintage(PROJECT, VINTAGE, capG, REPORT);
        issue(ANNA, first);
        if (second == 0) {
            issueReverts(BEN, 0, abi.encodeWithSelector(ICarbonCredits.ZeroCredits.selector, ID));
        } else if (second > capG - first) {
            bytes4 exceeded = ICarbonCredits.CapExceeded.selector;
            issueReverts(BEN, second, abi.encodeWithSelector(exceeded, ID, second, capG - first));
        } else {
            issue(BEN, second);
            assertEq(carbon.vintageOf(ID).issuedG, uint256(first) + second, "issued");
        }
    }

    function test_issue__of_an_unknown_vintage__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICarbonCredits.CapExceeded.selector, ID + 1, 1, 0));
        vm.prank(CARBON_ISSUER);
        carbon.issue(ANNA, ID + 1, 1, 0);
    }

    function test_issue__by_others_or_to_nobody__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, ANNA));
        vm.prank(ANNA);
        carbon.issue(ANNA, ID, 1, 0);
        issueReverts(
            address(0), 1, abi.encodeWithSelector(IERC1155Errors.ERC1155InvalidReceiver.selector, address(0))
        );
    }

    function test_attack_issue__receiver_calls_back__gains_nothing() public {
        GreedyHolder holder = new GreedyHolder(carbon);
        issue(address(holder), 100);
        assertTrue(holder.calls() == 1 && holder.gains() == 0, "gains");
        ICarbonCredits.Vintage memory entry = carbon.vintageOf(ID);
        assertTrue(entry.issuedG == 100 && entry.retiredG == 100, "counted once");
    }

    function test_attack_safeTransferFrom__receiver_calls_back__gains_nothing() public {
        GreedyHolder holder = new GreedyHolder(carbon);
        issue(ANNA, 100);
        vm.prank(ANNA);
        carbon.safeTransferFrom(ANNA, address(holder), ID, 60, "");
        assertTrue(holder.calls() == 1 && holder.gains() == 0, "gains");
        assertTrue(carbon.balanceOf(ANNA, ID) == 40 && carbon.vintageOf(ID).retiredG == 60, "sums");
    }

    /* RETIRE */

    function test_14_retire__for_a_beneficiary__is_gone_for_good() public {
        issue(ANNA, 100);
        vm.recordLogs();
        vm.prank(ANNA);
        carbon.retire(ID, 40, BEN, "flight");
        Vm.Log memory log = vm.getRecordedLogs()[1];
        assertTrue(log.topics[0] == ICarbonCredits.CreditsRetired.selector, "event");
        assertTrue(address(uint160(uint256(log.topics[2]))) == ANNA, "owner");
        assertTrue(address(uint160(uint256(log.topics[3]))) == BEN, "beneficiary");
        assertEq(log.data, abi.encode(40, bytes32("flight")), "fields");
        assertTrue(carbon.balanceOf(ANNA, ID) == 60 && carbon.balanceOf(BEN, ID) == 0, "balances");
        ICarbonCredits.Vintage memory entry = carbon.vintageOf(ID);
        assertTrue(entry.issuedG == 100 && entry.retiredG == 40, "vintage");
    }

    function test_14_retire__frees_nothing_under_the_cap() public {
        issue(ANNA, CAP);
        vm.prank(ANNA);
        carbon.retire(ID, CAP, ANNA, 0);
        issueReverts(ANNA, 1, abi.encodeWithSelector(ICarbonCredits.CapExceeded.selector, ID, 1, 0));
    }

    function test_retire__more_than_held_nothing_or_for_nobody__reverts() public {
        issue(ANNA, 100);
        bytes4 insufficient = IERC1155Errors.ERC1155InsufficientBalance.selector;
        vm.expectRevert(abi.encodeWithSelector(insufficient, ANNA, 100, 101, ID));
        vm.prank(ANNA);
        carbon.retire(ID, 101, ANNA, 0);
        vm.expectRevert(abi.encodeWithSelector(insufficient, BEN, 0, 1, ID));
        vm.prank(BEN);
        carbon.retire(ID, 1, BEN, 0);
        vm.expectRevert(abi.encodeWithSelector(ICarbonCredits.ZeroCredits.selector, ID));
        vm.prank(ANNA);
        carbon.retire(ID, 0, ANNA, 0);
        vm.expectRevert(abi.encodeWithSelector(ICarbonCredits.ZeroBeneficiary.selector, ID));
        vm.prank(ANNA);
        carbon.retire(ID, 1, address(0), 0);
    }

    /* TRANSFER */

    function test_safeTransferFrom__by_a_stranger__reverts() public {
        issue(ANNA, 100);
        vm.expectRevert(
            abi.encodeWithSelector(IERC1155Errors.ERC1155MissingApprovalForAll.selector, BEN, ANNA)
        );
        vm.prank(BEN);
        carbon.safeTransferFrom(ANNA, BEN, ID, 1, "");
    }

    function test_supportsInterface__erc1155() public view {
        assertTrue(carbon.supportsInterface(0xd9b67a26), "ERC-1155");
        assertTrue(carbon.supportsInterface(0x0e89341c), "metadata");
    }

    /* HELPERS */

    function issue(address to, uint64 amountG) private {
        vm.prank(CARBON_ISSUER);
        carbon.issue(to, ID, amountG, "monitoring");
    }

    function issueReverts(address to, uint64 amountG, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(CARBON_ISSUER);
        carbon.issue(to, ID, amountG, 0);
    }
}
