// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {AssetFactory} from "../../../contracts/src/assets/AssetFactory.sol";
import {AssetToken} from "../../../contracts/src/assets/AssetToken.sol";
import {IAssetFactory} from "../../../contracts/src/interfaces/IAssetFactory.sol";
import {IAssetToken} from "../../../contracts/src/interfaces/IAssetToken.sol";
import {GridtraceAccessManager} from "../../../contracts/src/registry/GridtraceAccessManager.sol";
import {ParticipantRegistry} from "../../../contracts/src/registry/ParticipantRegistry.sol";
import {PaymentToken} from "../../../contracts/src/token/PaymentToken.sol";
import {Base} from "./Base.sol";

/// @notice One plant of a thousand fractions, its owner and two investors, all of them cleared; everybody has money.
abstract contract AssetFixture is Base {
    uint64 internal constant NOW = 1_800_000_000;
    uint64 internal constant CLEARED_UNTIL = NOW + 365 days;
    uint64 internal constant ASSET_ID = 7;
    uint96 internal constant SUPPLY = 1000;
    uint96 internal constant PRICE = 25_000_000;
    uint256 internal constant MONEY = 1e15;

    uint256 internal constant OWNER_KEY = 0x0b17;
    uint256 internal constant ANNA_KEY = 0xa11a;
    uint256 internal constant BEN_KEY = 0xbe9;

    address internal constant STRANGER = address(0x57a);
    address internal constant PAYER = address(0x9a7e);

    address internal plantOwner = vm.addr(OWNER_KEY);
    address internal anna = vm.addr(ANNA_KEY);
    address internal ben = vm.addr(BEN_KEY);

    ParticipantRegistry internal registry;
    PaymentToken internal euro;
    AssetFactory internal factory;
    AssetToken internal asset;

    /// @dev This contract is the administrator, who may call everything.
    function setUp() public virtual {
        vm.warp(NOW);
        GridtraceAccessManager manager = new GridtraceAccessManager(address(this));
        registry = new ParticipantRegistry(address(manager));
        euro = new PaymentToken(address(manager));
        factory = new AssetFactory(address(manager), registry, IERC20(address(euro)));
        address[3] memory people = [plantOwner, anna, ben];
        for (uint256 i; i < people.length; ++i) {
            clear(people[i]);
            euro.mint(people[i], MONEY);
        }
        euro.mint(PAYER, MONEY);
        asset = AssetToken(factory.createAsset(plant(ASSET_ID, plantOwner, SUPPLY)));
        address[4] memory payers = [plantOwner, anna, ben, PAYER];
        for (uint256 i; i < payers.length; ++i) {
            vm.prank(payers[i]);
            euro.approve(address(asset), type(uint256).max);
        }
    }

    function plant(uint64 assetId, address owner, uint96 supply)
        internal
        pure
        returns (IAssetFactory.Asset memory)
    {
        return IAssetFactory.Asset({
            assetId: assetId,
            plantId: keccak256("plant"),
            owner: owner,
            supply: supply,
            name: "Solar roof Meadow Street",
            symbol: "SUN7",
            documentsRoot: keccak256("papers"),
            metadataURI: "ipfs://bafy/asset.json"
        });
    }

    function clear(address account) internal {
        registry.setParticipant(account, CLEARED_UNTIL, 3, 276);
    }

    function freeze(address account) internal {
        registry.setParticipant(account, CLEARED_UNTIL, 7, 276);
    }

    function give(address to, uint256 fractions) internal {
        vm.prank(plantOwner);
        assertTrue(asset.transfer(to, fractions), "transfer");
    }

    function move(address from, address to, uint256 fractions) internal {
        vm.prank(from);
        assertTrue(asset.transfer(to, fractions), "transfer");
    }

    function earn(uint256 amount) internal {
        vm.prank(PAYER);
        asset.depositRevenue(amount, 0);
    }

    function sell(uint96 fractions) internal {
        vm.prank(plantOwner);
        asset.setOffer(PRICE, fractions, NOW + 1 days);
    }

    function claims(address account) internal returns (uint256) {
        vm.prank(account);
        return asset.claim();
    }

    function permitOf(uint256 key, uint256 value) internal view returns (IAssetToken.Permit memory permit) {
        bytes32 typehash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        address signer = vm.addr(key);
        bytes32 content = keccak256(
            abi.encode(typehash, signer, address(asset), value, euro.nonces(signer), uint256(NOW + 1 hours))
        );
        (permit.value, permit.deadline) = (value, NOW + 1 hours);
        (permit.v, permit.r, permit.s) = vm.sign(key, digestOf(euro.DOMAIN_SEPARATOR(), content));
    }

    function noPermit() internal pure returns (IAssetToken.Permit memory permit) {}

    function digestOf(bytes32 domain, bytes32 content) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain, content));
    }

    function signed(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function refuses(bytes memory reason) internal {
        vm.expectRevert(reason);
    }

    function notCleared(address account) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IAssetToken.NotCleared.selector, account);
    }
}
