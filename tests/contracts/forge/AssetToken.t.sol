// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {AssetToken} from "../../../contracts/src/assets/AssetToken.sol";
import {IAssetFactory} from "../../../contracts/src/interfaces/IAssetFactory.sol";
import {IAssetToken} from "../../../contracts/src/interfaces/IAssetToken.sol";
import {AssetFixture} from "./AssetFixture.sol";

/// @notice A test tree for every function of AssetFactory and for AssetToken as a token: who holds, who may.
contract AssetTokenTest is AssetFixture {
    /* createAsset */

    function test_createAsset__all_fractions_are_the_owners() public view {
        assertEq(asset.totalSupply(), SUPPLY, "supply");
        assertEq(asset.balanceOf(plantOwner), SUPPLY, "owner");
        assertTrue(asset.owner() == plantOwner && asset.heir() == address(0), "owner");
        assertTrue(asset.factory() == address(factory), "factory");
        assertTrue(address(asset.registry()) == address(registry), "registry");
        assertTrue(address(asset.paymentToken()) == address(euro), "payment token");
        assertEq(bytes(asset.name()), "Solar roof Meadow Street", "name");
        assertEq(bytes(asset.symbol()), "SUN7", "symbol");
        (bytes32 root, string memory uri) = asset.documents();
        assertEq(bytes(uri), "ipfs://bafy/asset.json", "uri");
        assertTrue(root == keccak256("papers"), "documents");
        assertEq(asset.decimals(), 0, "decimals");
    }

    function test_createAsset__address_follows_from_the_number_alone() public {
        address before = factory.addressOf(8);
        assertTrue(factory.assetOf(8) == address(0), "too early");
        address created = factory.createAsset(plant(8, anna, 5));
        assertTrue(created == before && factory.assetOf(8) == before, "address");
        assertTrue(factory.addressOf(ASSET_ID) == address(asset), "the first one");
    }

    function test_createAsset__number_used_or_zero__refused() public {
        refuses(abi.encodeWithSelector(IAssetFactory.AssetExists.selector, ASSET_ID, address(asset)));
        factory.createAsset(plant(ASSET_ID, anna, 5));
        refuses(abi.encodeWithSelector(IAssetFactory.ZeroAssetId.selector));
        factory.createAsset(plant(0, anna, 5));
    }

    function test_createAsset__no_or_too_many_fractions_or_uncleared_owner__refused_whole() public {
        refuses(abi.encodeWithSelector(IAssetToken.CannotIssue.selector, 0, 0));
        factory.createAsset(plant(8, anna, 0));
        refuses(abi.encodeWithSelector(IAssetToken.CannotIssue.selector, (1 << 60) + 1, 0));
        factory.createAsset(plant(8, anna, (1 << 60) + 1));
        refuses(notCleared(STRANGER));
        factory.createAsset(plant(8, STRANGER, 5));
        assertTrue(factory.assetOf(8) == address(0), "nothing half-done");
    }

    function test_createAsset__somebody_else__refused() public {
        vm.prank(anna);
        refuses(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, anna));
        factory.createAsset(plant(8, anna, 5));
    }

    function test_issue__second_time_or_by_somebody_else__refused() public {
        refuses(abi.encodeWithSelector(IAssetToken.NotFactory.selector, address(this)));
        asset.issue(anna, 5, "", "", 0, "");
        vm.prank(address(factory));
        refuses(abi.encodeWithSelector(IAssetToken.CannotIssue.selector, 5, SUPPLY));
        asset.issue(anna, 5, "", "", 0, "");
    }

    /* transfer, transferFrom, approve, permit */

    function test_transfer__between_cleared__moves() public {
        give(anna, 300);
        assertEq(asset.balanceOf(anna), 300, "anna");
        assertEq(asset.balanceOf(plantOwner), 700, "owner");
        move(anna, anna, 300);
        assertEq(asset.balanceOf(anna), 300, "to himself");
        move(anna, ben, 0);
        assertEq(asset.balanceOf(ben), 0, "nothing");
    }

    function test_transfer__more_than_held__refused() public {
        vm.prank(anna);
        refuses(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, anna, 0, 1));
        asset.transfer(ben, 1);
        vm.prank(plantOwner);
        refuses(
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientBalance.selector, plantOwner, SUPPLY, type(uint256).max
            )
        );
        asset.transfer(ben, type(uint256).max);
    }

    function test_transfer__sender_frozen_or_expired__refused() public {
        give(anna, 10);
        freeze(anna);
        vm.prank(anna);
        refuses(notCleared(anna));
        asset.transfer(ben, 1);
        clear(anna);
        vm.warp(CLEARED_UNTIL + 1);
        vm.prank(anna);
        refuses(notCleared(anna));
        asset.transfer(ben, 1);
    }

    function test_attack_uncleared_receiver() public {
        address[5] memory receivers = [STRANGER, address(0), address(asset), address(factory), ben];
        freeze(ben);
        for (uint256 i; i < receivers.length; ++i) {
            vm.prank(plantOwner);
            refuses(notCleared(receivers[i]));
            asset.transfer(receivers[i], 1);
        }
    }

    function test_transferFrom__within_allowance__uses_it_up() public {
        vm.prank(plantOwner);
        asset.approve(PAYER, 10);
        vm.prank(PAYER);
        asset.transferFrom(plantOwner, anna, 7);
        assertEq(asset.allowance(plantOwner, PAYER), 3, "left");
        vm.prank(PAYER);
        refuses(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, PAYER, 3, 4));
        asset.transferFrom(plantOwner, anna, 4);
        vm.prank(plantOwner);
        asset.approve(PAYER, type(uint256).max);
        vm.prank(PAYER);
        asset.transferFrom(plantOwner, anna, 4);
        assertEq(asset.allowance(plantOwner, PAYER), type(uint256).max, "without end");
    }

    function test_transferFrom__sender_frozen__refused() public {
        vm.prank(plantOwner);
        asset.approve(PAYER, 10);
        freeze(plantOwner);
        vm.prank(PAYER);
        refuses(notCleared(plantOwner));
        asset.transferFrom(plantOwner, anna, 1);
    }

    function test_approve__zero_spender__refused() public {
        refuses(abi.encodeWithSelector(IERC20Errors.ERC20InvalidSpender.selector, address(0)));
        asset.approve(address(0), 1);
    }

    function test_permit__signed__allows_once() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(ANNA_KEY, permitDigest(anna, 0));
        asset.permit(anna, PAYER, 5, NOW, v, r, s);
        assertEq(asset.allowance(anna, PAYER), 5, "allowance");
        assertEq(asset.nonces(anna), 1, "nonce");
        bytes32 next = permitDigest(anna, 1);
        refuses(abi.encodeWithSelector(IAssetToken.BadSignature.selector, anna, next));
        asset.permit(anna, PAYER, 5, NOW, v, r, s);
    }

    function test_permit__late_or_high_s__refused() public {
        bytes32 digest = permitDigest(anna, 0);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(ANNA_KEY, digest);
        bytes32 high =
            bytes32(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141 - uint256(s));
        refuses(abi.encodeWithSelector(IAssetToken.BadSignature.selector, anna, digest));
        asset.permit(anna, PAYER, 5, NOW, v ^ 7, r, high);
        vm.warp(NOW + 1);
        refuses(abi.encodeWithSelector(IAssetToken.SignatureExpired.selector, NOW));
        asset.permit(anna, PAYER, 5, NOW, v, r, s);
    }

    function permitDigest(address account, uint256 nonce) private view returns (bytes32) {
        bytes32 typehash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 content = keccak256(abi.encode(typehash, account, PAYER, uint256(5), nonce, uint256(NOW)));
        return digestOf(asset.DOMAIN_SEPARATOR(), content);
    }

    /* setDocuments, offerOwnership, acceptOwnership */

    function test_setDocuments__owner_alone() public {
        vm.prank(plantOwner);
        asset.setDocuments(keccak256("new"), "ipfs://new");
        (bytes32 root, string memory uri) = asset.documents();
        assertTrue(root == keccak256("new"), "root");
        assertEq(bytes(uri), "ipfs://new", "uri");
        refuses(abi.encodeWithSelector(IAssetToken.NotOwner.selector, address(this), plantOwner));
        asset.setDocuments(0, "");
    }

    function test_offerOwnership__owner_alone() public {
        vm.prank(anna);
        refuses(abi.encodeWithSelector(IAssetToken.NotOwner.selector, anna, plantOwner));
        asset.offerOwnership(anna);
    }

    function test_acceptOwnership__named_and_cleared__ends_the_offer() public {
        sell(5);
        vm.prank(plantOwner);
        asset.offerOwnership(anna);
        assertTrue(asset.heir() == anna && asset.owner() == plantOwner, "not yet");
        freeze(anna);
        vm.prank(anna);
        refuses(notCleared(anna));
        asset.acceptOwnership();
        clear(anna);
        vm.prank(anna);
        asset.acceptOwnership();
        assertTrue(asset.owner() == anna && asset.heir() == address(0), "owner");
        assertEq(asset.offer().fractions, 0, "offer");
        assertEq(asset.balanceOf(plantOwner), SUPPLY, "fractions do not move");
    }

    function test_acceptOwnership__not_named__refused() public {
        vm.prank(anna);
        refuses(abi.encodeWithSelector(IAssetToken.NotHeir.selector, anna, address(0)));
        asset.acceptOwnership();
    }

    /* forceTransfer */

    function test_forceTransfer__frozen_holder__moves_with_a_reason() public {
        give(anna, 100);
        earn(1_000_000);
        freeze(anna);
        factory.forceTransfer(ASSET_ID, anna, ben, 60, false, "order 17/2027");
        assertEq(asset.balanceOf(anna), 40, "anna");
        assertEq(asset.balanceOf(ben), 60, "ben");
        assertEq(asset.claimable(anna), 100_000, "what she earned stays hers");
        assertEq(asset.claimable(ben), 0, "ben");
    }

    function test_forceTransfer__with_revenue__takes_the_whole_units() public {
        give(anna, 333);
        earn(1_000_001); // 333,000.333 for Anna
        factory.forceTransfer(ASSET_ID, anna, ben, 333, true, "lost key");
        assertEq(asset.claimable(anna), 0, "anna");
        assertEq(asset.claimable(ben), 333_000, "ben");
        earn(1_000_000);
        assertEq(asset.claimable(ben), 666_000, "ben, later");
    }

    function test_forceTransfer__uncleared_receiver_or_too_many__refused() public {
        give(anna, 100);
        refuses(notCleared(STRANGER));
        factory.forceTransfer(ASSET_ID, anna, STRANGER, 1, true, "");
        refuses(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, anna, 100, 101));
        factory.forceTransfer(ASSET_ID, anna, ben, 101, true, "");
        refuses(abi.encodeWithSelector(IAssetFactory.NoSuchAsset.selector, 99));
        factory.forceTransfer(99, anna, ben, 1, true, "");
    }

    function test_forceTransfer__somebody_else__refused() public {
        vm.prank(anna);
        refuses(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, anna));
        factory.forceTransfer(ASSET_ID, plantOwner, anna, 1, true, "");
        refuses(abi.encodeWithSelector(IAssetToken.NotFactory.selector, address(this)));
        asset.forceTransfer(plantOwner, anna, 1, true, "");
    }
}
