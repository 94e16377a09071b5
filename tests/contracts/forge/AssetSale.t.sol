// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";

import {AssetToken} from "../../../contracts/src/assets/AssetToken.sol";
import {IAssetToken} from "../../../contracts/src/interfaces/IAssetToken.sol";
import {AssetFixture} from "./AssetFixture.sol";

/// @notice The offers of an AssetToken and every way to buy.
contract AssetSaleTest is AssetFixture {
    /* setOffer, buy, buyWithPermit, buyFor */

    function test_setOffer__owner_alone() public {
        sell(40);
        assertEq(asset.offer().price, PRICE, "price");
        assertEq(asset.offer().fractions, 40, "fractions");
        assertEq(asset.offer().until, NOW + 1 days, "until");
        vm.prank(anna);
        refuses(abi.encodeWithSelector(IAssetToken.NotOwner.selector, anna, plantOwner));
        asset.setOffer(1, 1, NOW);
    }

    function test_buy__on_sale__fractions_for_money() public {
        sell(40);
        vm.prank(anna);
        assertEq(asset.buy(30, 30 * uint256(PRICE)), 30 * uint256(PRICE), "cost");
        assertEq(asset.balanceOf(anna), 30, "anna");
        assertEq(asset.balanceOf(plantOwner), SUPPLY - 30, "owner");
        assertEq(euro.balanceOf(plantOwner), MONEY + 30 * uint256(PRICE), "proceeds");
        assertEq(asset.offer().fractions, 10, "left");
    }

    function test_buy__more_than_offered__refused() public {
        sell(40);
        vm.prank(anna);
        refuses(abi.encodeWithSelector(IAssetToken.OfferExceeded.selector, 41, 40));
        asset.buy(41, type(uint256).max);
    }

    function test_buy__late_dear_nothing_or_oneself__refused() public {
        sell(40);
        vm.prank(anna);
        refuses(abi.encodeWithSelector(IAssetToken.CostAboveLimit.selector, PRICE, PRICE - 1));
        asset.buy(1, PRICE - 1);
        vm.prank(anna);
        refuses(abi.encodeWithSelector(IAssetToken.ZeroAmount.selector));
        asset.buy(0, 0);
        vm.prank(plantOwner);
        refuses(abi.encodeWithSelector(IAssetToken.SelfPurchase.selector, plantOwner));
        asset.buy(1, PRICE);
        vm.warp(NOW + 1 days + 1);
        vm.prank(anna);
        refuses(abi.encodeWithSelector(IAssetToken.OfferEnded.selector, NOW + 1 days));
        asset.buy(1, PRICE);
    }

    function test_buy__clearance_expired_since_the_offer__refused_whole() public {
        vm.prank(plantOwner);
        asset.setOffer(PRICE, 40, type(uint64).max);
        registry.setParticipant(anna, NOW + 1 hours, 2, 276);
        vm.warp(NOW + 1 hours + 1);
        vm.prank(anna);
        refuses(notCleared(anna));
        asset.buy(1, PRICE);
        assertEq(euro.balanceOf(anna), MONEY, "money");
        assertEq(asset.offer().fractions, 40, "offer");
    }

    function test_buy__owner_frozen__refused() public {
        sell(40);
        freeze(plantOwner);
        vm.prank(anna);
        refuses(notCleared(plantOwner));
        asset.buy(1, PRICE);
    }

    function test_buy__free_of_charge__moves_no_money() public {
        vm.prank(plantOwner);
        asset.setOffer(0, 5, NOW);
        vm.prank(anna);
        assertEq(asset.buy(5, 0), 0, "cost");
        assertEq(asset.balanceOf(anna), 5, "anna");
    }

    function test_buyWithPermit__no_allowance_before__one_step() public {
        sell(40);
        vm.prank(anna);
        euro.approve(address(asset), 0);
        IAssetToken.Permit memory permit = permitOf(ANNA_KEY, 2 * uint256(PRICE));
        vm.prank(anna);
        asset.buyWithPermit(2, 2 * uint256(PRICE), permit);
        assertEq(asset.balanceOf(anna), 2, "anna");
    }

    function test_attack_permit_used_by_somebody_else_first() public {
        sell(40);
        IAssetToken.Permit memory permit = permitOf(ANNA_KEY, PRICE);
        euro.permit(anna, address(asset), permit.value, permit.deadline, permit.v, permit.r, permit.s);
        vm.prank(anna);
        asset.buyWithPermit(1, PRICE, permit);
        assertEq(asset.balanceOf(anna), 1, "anna");
    }

    function test_attack_permit_of_another_buys_nothing() public {
        sell(40);
        vm.prank(anna);
        euro.approve(address(asset), 0);
        IAssetToken.Permit memory permit = permitOf(ANNA_KEY, PRICE);
        vm.prank(ben);
        euro.approve(address(asset), 0);
        vm.prank(ben);
        refuses(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(asset), 0, PRICE)
        );
        asset.buyWithPermit(1, PRICE, permit);
        assertEq(euro.balanceOf(anna), MONEY, "anna");
    }

    function test_buyFor__signed__anyone_carries_it_out_once() public {
        sell(40);
        vm.prank(anna);
        euro.approve(address(asset), 0);
        IAssetToken.Purchase memory purchase = IAssetToken.Purchase(anna, 3, 3 * uint256(PRICE), 0, NOW);
        bytes memory signature = signed(ANNA_KEY, asset.purchaseDigest(purchase));
        IAssetToken.Permit memory permit = permitOf(ANNA_KEY, 3 * uint256(PRICE));
        vm.prank(STRANGER);
        asset.buyFor(purchase, signature, permit);
        assertEq(asset.balanceOf(anna), 3, "anna");
        assertEq(asset.balanceOf(STRANGER), 0, "stranger");
        vm.prank(STRANGER);
        refuses(abi.encodeWithSelector(Nonces.InvalidAccountNonce.selector, anna, 1));
        asset.buyFor(purchase, signature, noPermit());
    }

    function test_attack_buyFor_other_words_than_signed() public {
        sell(40);
        IAssetToken.Purchase memory purchase = IAssetToken.Purchase(anna, 3, 3 * uint256(PRICE), 0, NOW);
        bytes memory signature = signed(ANNA_KEY, asset.purchaseDigest(purchase));
        purchase.maxCost += 1;
        bytes32 digest = asset.purchaseDigest(purchase);
        refuses(abi.encodeWithSelector(IAssetToken.BadSignature.selector, anna, digest));
        asset.buyFor(purchase, signature, noPermit());
        purchase.maxCost -= 1;
        vm.warp(NOW + 1);
        refuses(abi.encodeWithSelector(IAssetToken.SignatureExpired.selector, NOW));
        asset.buyFor(purchase, signature, noPermit());
    }

    function test_attack_price_raised_before_a_signed_purchase() public {
        sell(40);
        IAssetToken.Purchase memory purchase = IAssetToken.Purchase(anna, 2, 2 * uint256(PRICE), 0, NOW);
        bytes memory signature = signed(ANNA_KEY, asset.purchaseDigest(purchase));
        vm.prank(plantOwner);
        asset.setOffer(2 * PRICE, 40, NOW);
        refuses(
            abi.encodeWithSelector(
                IAssetToken.CostAboveLimit.selector, 4 * uint256(PRICE), 2 * uint256(PRICE)
            )
        );
        asset.buyFor(purchase, signature, noPermit());
    }
}
