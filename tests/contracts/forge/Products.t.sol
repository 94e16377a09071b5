// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IProductRegistry} from "../../../contracts/src/interfaces/IProductRegistry.sol";
import {Vm} from "./Base.sol";
import {ProvenanceFixture} from "./ProvenanceFixture.sol";

/// @notice Every external function of the product registry, case by case.
contract ProductsTest is ProvenanceFixture {
    bytes32 private constant LABEL = "batch 2027/14";
    bytes32 private constant DOCUMENT = keccak256("data sheet");
    bytes32 private constant HERE = "DEBER";
    bytes32 private constant DATA = keccak256("temperature log");

    /* REGISTER */

    function test_15_register__by_a_participant__starts_a_chain() public {
        vm.recordLogs();
        bytes32 id = register(ANNA);
        IProductRegistry.Product memory entry = products.product(id);
        bytes32 head =
            keccak256(abi.encode(block.chainid, address(products), id, ANNA, uint64(NOW), DOCUMENT));
        assertTrue(entry.head == head && entry.owner == ANNA && entry.count == 0, "product");
        Vm.Log memory log = vm.getRecordedLogs()[0];
        assertTrue(log.topics[0] == IProductRegistry.ProductRegistered.selector, "event");
        assertTrue(log.topics[1] == id && address(uint160(uint256(log.topics[2]))) == ANNA, "topics");
        assertEq(log.data, abi.encode(LABEL, uint64(NOW), DOCUMENT, head), "fields");
    }

    function test_register__same_label_of_two_owners__are_two_products() public {
        assertTrue(register(ANNA) != register(BEN), "ids");
        assertTrue(products.productIdOf(ANNA, LABEL) != products.productIdOf(BEN, LABEL), "views");
    }

    function test_register__label_again__reverts_also_once_handed_over() public {
        bytes32 id = register(ANNA);
        registerReverts(ANNA, abi.encodeWithSelector(IProductRegistry.ProductExists.selector, id));
        handOver(id, ANNA, BEN);
        registerReverts(ANNA, abi.encodeWithSelector(IProductRegistry.ProductExists.selector, id));
    }

    function test_register__not_cleared_or_frozen__reverts() public {
        registerReverts(STRANGER, notCleared(STRANGER));
        clear(ANNA, 7);
        registerReverts(ANNA, notCleared(ANNA));
        vm.warp(NOW + YEAR + 1);
        registerReverts(BEN, notCleared(BEN));
    }

    /* CHECKPOINTS */

    function test_15_addCheckpoint__by_the_owner__extends_the_chain() public {
        bytes32 id = register(ANNA);
        bytes32 first = products.product(id).head;
        vm.warp(NOW + 100);
        vm.recordLogs();
        bytes32 head = add(ANNA, id, first, 3);
        assertTrue(
            head == keccak256(abi.encode(first, uint64(1), ANNA, uint64(NOW + 100), uint16(3), HERE, DATA)),
            "head"
        );
        assertTrue(products.product(id).head == head && products.product(id).count == 1, "product");
        Vm.Log memory log = vm.getRecordedLogs()[0];
        assertTrue(log.topics[0] == IProductRegistry.CheckpointAdded.selector, "event");
        assertTrue(log.topics[1] == id && uint256(log.topics[3]) == 1, "topics");
        assertEq(log.data, abi.encode(uint64(NOW + 100), uint16(3), HERE, DATA, head), "fields");
    }

    function testFuzz_15_addCheckpoint__any_fields__are_bound_by_the_head(
        uint16 kind,
        bytes32 location,
        bytes32 dataHash,
        uint32 later
    ) public {
        kind = uint16(bound(kind, 1, type(uint16).max));
        bytes32 id = register(ANNA);
        bytes32 first = products.product(id).head;
        vm.warp(NOW + later % YEAR);
        vm.prank(ANNA);
        bytes32 head = products.addCheckpoint(id, first, kind, location, dataHash);
        bytes32 expected =
            keccak256(abi.encode(first, uint64(1), ANNA, uint64(block.timestamp), kind, location, dataHash));
        assertTrue(head == expected, "head");
    }

    function test_attack_addCheckpoint__sent_twice__adds_once() public {
        bytes32 id = register(ANNA);
        bytes32 first = products.product(id).head;
        bytes32 head = add(ANNA, id, first, 1);
        addReverts(
            ANNA, id, first, 1, abi.encodeWithSelector(IProductRegistry.StaleHead.selector, id, first, head)
        );
        assertEq(products.product(id).count, 1, "count");
    }

    function test_addCheckpoint__by_strangers_frozen_or_to_nothing__reverts() public {
        bytes32 id = register(ANNA);
        bytes32 head = products.product(id).head;
        addReverts(BEN, id, head, 1, abi.encodeWithSelector(IProductRegistry.NotHandler.selector, id, BEN));
        addReverts(STRANGER, id, head, 1, notCleared(STRANGER));
        addReverts(
            ANNA, DATA, head, 1, abi.encodeWithSelector(IProductRegistry.UnknownProduct.selector, DATA)
        );
        addReverts(ANNA, id, head, 0, abi.encodeWithSelector(IProductRegistry.ReservedKind.selector, id));
        clear(ANNA, 7);
        addReverts(ANNA, id, head, 1, notCleared(ANNA));
    }

    /* HANDLERS */

    function test_setHandler__adds_checkpoints_until_dismissed() public {
        bytes32 id = register(ANNA);
        vm.recordLogs();
        setHandler(ANNA, id, BEN, true);
        assertEq(vm.getRecordedLogs()[0].data, abi.encode(true), "event");
        bytes32 head = add(BEN, id, products.product(id).head, 1);
        setHandler(ANNA, id, BEN, false);
        addReverts(BEN, id, head, 1, abi.encodeWithSelector(IProductRegistry.NotHandler.selector, id, BEN));
    }

    function test_setHandler__by_others_than_the_owner__reverts() public {
        bytes32 id = register(ANNA);
        vm.expectRevert(abi.encodeWithSelector(IProductRegistry.NotProductOwner.selector, id, BEN, ANNA));
        setHandler(BEN, id, BEN, true);
        vm.expectRevert(abi.encodeWithSelector(IProductRegistry.UnknownProduct.selector, DATA));
        setHandler(BEN, DATA, BEN, true);
    }

    function test_setHandler__goes_with_its_owner() public {
        bytes32 id = register(ANNA);
        setHandler(ANNA, id, CLEO, true);
        handOver(id, ANNA, BEN);
        assertTrue(!products.isHandler(id, CLEO), "gone");
        bytes32 head = products.product(id).head;
        addReverts(CLEO, id, head, 1, abi.encodeWithSelector(IProductRegistry.NotHandler.selector, id, CLEO));
        addReverts(ANNA, id, head, 1, abi.encodeWithSelector(IProductRegistry.NotHandler.selector, id, ANNA));
        handOver(id, BEN, ANNA);
        assertTrue(products.isHandler(id, CLEO), "back");
    }

    /* CHANGE OF OWNER */

    function test_15_accept__by_the_one_offered_to__is_a_link_of_the_chain() public {
        bytes32 id = register(ANNA);
        bytes32 first = products.product(id).head;
        vm.prank(ANNA);
        products.offer(id, BEN);
        assertTrue(products.offeredTo(id) == BEN && products.product(id).owner == ANNA, "offered");
        vm.warp(NOW + 5);
        vm.recordLogs();
        vm.prank(BEN);
        bytes32 head = products.accept(id);
        bytes32 newOwner = bytes32(uint256(uint160(BEN)));
        bytes32 expected =
            keccak256(abi.encode(first, uint64(1), BEN, uint64(NOW + 5), uint16(0), bytes32(0), newOwner));
        IProductRegistry.Product memory entry = products.product(id);
        assertTrue(head == expected && entry.head == head, "head");
        assertTrue(entry.owner == BEN && entry.count == 1 && products.offeredTo(id) == address(0), "owner");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertTrue(logs[0].topics[0] == IProductRegistry.ProductHandedOver.selector, "handed over");
        assertEq(logs[1].data, abi.encode(uint64(NOW + 5), uint16(0), bytes32(0), newOwner, head), "link");
    }

    function test_accept__not_offered_taken_back_or_twice__reverts() public {
        bytes32 id = register(ANNA);
        acceptReverts(BEN, id, address(0));
        vm.prank(ANNA);
        products.offer(id, CLEO);
        acceptReverts(BEN, id, CLEO);
        vm.prank(ANNA);
        products.offer(id, address(0));
        acceptReverts(CLEO, id, address(0));
        handOver(id, ANNA, BEN);
        acceptReverts(BEN, id, address(0));
        vm.expectRevert(abi.encodeWithSelector(IProductRegistry.UnknownProduct.selector, DATA));
        vm.prank(BEN);
        products.accept(DATA);
    }

    function test_accept__not_cleared__reverts() public {
        bytes32 id = register(ANNA);
        vm.prank(ANNA);
        products.offer(id, STRANGER);
        vm.expectRevert(notCleared(STRANGER));
        vm.prank(STRANGER);
        products.accept(id);
    }

    function test_offer__by_others_than_the_owner__reverts() public {
        bytes32 id = register(ANNA);
        vm.expectRevert(abi.encodeWithSelector(IProductRegistry.NotProductOwner.selector, id, BEN, ANNA));
        vm.prank(BEN);
        products.offer(id, BEN);
    }

    function test_owner__frozen__changes_nothing_and_his_offer_stands() public {
        bytes32 id = register(ANNA);
        vm.prank(ANNA);
        products.offer(id, BEN);
        clear(ANNA, 7);
        vm.expectRevert(notCleared(ANNA));
        vm.prank(ANNA);
        products.offer(id, CLEO);
        vm.expectRevert(notCleared(ANNA));
        setHandler(ANNA, id, CLEO, true);
        vm.prank(BEN);
        products.accept(id);
        assertTrue(products.product(id).owner == BEN, "owner");
    }

    /// @dev The owner can take the product elsewhere before it is accepted, not after.
    function test_attack_offer__accepted_product_by_its_old_owner__reverts() public {
        bytes32 id = register(ANNA);
        handOver(id, ANNA, BEN);
        vm.expectRevert(abi.encodeWithSelector(IProductRegistry.NotProductOwner.selector, id, ANNA, BEN));
        vm.prank(ANNA);
        products.offer(id, CLEO);
    }

    /* HELPERS */

    function register(address owner) private returns (bytes32) {
        vm.prank(owner);
        return products.register(LABEL, DOCUMENT);
    }

    function registerReverts(address owner, bytes memory reason) private {
        vm.expectRevert(reason);
        register(owner);
    }

    function add(address actor, bytes32 id, bytes32 previous, uint16 kind) private returns (bytes32) {
        vm.prank(actor);
        return products.addCheckpoint(id, previous, kind, HERE, DATA);
    }

    function addReverts(address actor, bytes32 id, bytes32 previous, uint16 kind, bytes memory reason)
        private
    {
        vm.expectRevert(reason);
        add(actor, id, previous, kind);
    }

    function acceptReverts(address caller, bytes32 id, address offeredTo) private {
        vm.expectRevert(abi.encodeWithSelector(IProductRegistry.NotOffered.selector, id, caller, offeredTo));
        vm.prank(caller);
        products.accept(id);
    }

    function setHandler(address owner, bytes32 id, address handler, bool allowed) private {
        vm.prank(owner);
        products.setHandler(id, handler, allowed);
    }

    function handOver(bytes32 id, address from, address to) private {
        vm.prank(from);
        products.offer(id, to);
        vm.prank(to);
        products.accept(id);
    }

    function notCleared(address account) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IProductRegistry.CallerNotCleared.selector, account);
    }
}
