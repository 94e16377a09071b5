// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {IAssetFactory} from "../interfaces/IAssetFactory.sol";
import {IAssetToken} from "../interfaces/IAssetToken.sol";
import {FractionLedger} from "./FractionLedger.sol";

/// @title Fractions of one plant: sale, revenue and papers.
/// @dev Created by AssetFactory without constructor arguments, so that the address depends on the asset's number alone.
contract AssetToken is FractionLedger, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    bytes32 private constant PURCHASE_TYPEHASH =
        keccak256("Purchase(address buyer,uint96 fractions,uint256 maxCost,uint256 nonce,uint256 deadline)");
    bytes32 private constant DEPOSIT_TYPEHASH =
        keccak256("Deposit(address depositor,uint256 amount,bytes32 distributionId,uint256 deadline)");

    /// @inheritdoc IAssetToken
    address public immutable factory;

    /// @inheritdoc IAssetToken
    IERC20 public immutable paymentToken;

    /// @inheritdoc IAssetToken
    address public owner;

    /// @inheritdoc IAssetToken
    address public heir;

    Offer private _offer;

    bytes32 private _documentsRoot;
    string private _metadataURI;

    /// @inheritdoc IAssetToken
    mapping(address depositor => mapping(bytes32 distributionId => bool)) public isDistributed;

    constructor() FractionLedger(IAssetFactory(msg.sender).registry()) {
        factory = msg.sender;
        paymentToken = IAssetFactory(msg.sender).paymentToken();
    }

    modifier onlyFactory() {
        if (msg.sender != factory) revert NotFactory(msg.sender);
        _;
    }

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender, owner);
        _;
    }

    /* SALE */

    /// @inheritdoc IAssetToken
    function setOffer(uint96 price, uint96 fractions, uint64 until) external onlyOwner {
        _setOffer(Offer({price: price, fractions: fractions, until: until}));
    }

    /// @inheritdoc IAssetToken
    function buy(uint96 fractions, uint256 maxCost) external nonReentrant returns (uint256 cost) {
        return _buy(msg.sender, fractions, maxCost);
    }

    /// @inheritdoc IAssetToken
    function buyWithPermit(uint96 fractions, uint256 maxCost, Permit calldata permit_)
        external
        nonReentrant
        returns (uint256 cost)
    {
        _usePermit(msg.sender, permit_);
        return _buy(msg.sender, fractions, maxCost);
    }

    /// @inheritdoc IAssetToken
    function buyFor(Purchase calldata purchase, bytes calldata signature, Permit calldata permit_)
        external
        nonReentrant
        returns (uint256 cost)
    {
        _requireSigned(purchase.buyer, purchase.deadline, purchaseDigest(purchase), signature);
        _useCheckedNonce(purchase.buyer, purchase.nonce);
        _usePermit(purchase.buyer, permit_);
        return _buy(purchase.buyer, purchase.fractions, purchase.maxCost);
    }

    /* REVENUE */

    /// @inheritdoc IAssetToken
    function depositRevenue(uint256 amount, bytes32 distributionId) external nonReentrant {
        _deposit(msg.sender, amount, distributionId);
    }

    /// @inheritdoc IAssetToken
    function depositRevenueWithPermit(uint256 amount, bytes32 distributionId, Permit calldata permit_)
        external
        nonReentrant
    {
        _usePermit(msg.sender, permit_);
        _deposit(msg.sender, amount, distributionId);
    }

    /// @inheritdoc IAssetToken
    function depositRevenueFor(Deposit calldata deposit, bytes calldata signature, Permit calldata permit_)
        external
        nonReentrant
    {
        if (deposit.distributionId == 0) revert DistributionUnnamed(deposit.depositor);
        _requireSigned(deposit.depositor, deposit.deadline, depositDigest(deposit), signature);
        _usePermit(deposit.depositor, permit_);
        _deposit(deposit.depositor, deposit.amount, deposit.distributionId);
    }

    /// @inheritdoc IAssetToken
    function claim() external nonReentrant returns (uint256 amount) {
        _requireCleared(msg.sender);
        return _payOut(msg.sender);
    }

    /// @inheritdoc IAssetToken
    function claimFor(address[] calldata accounts) external nonReentrant returns (uint256 amount) {
        for (uint256 i; i < accounts.length; ++i) {
            if (registry.isCleared(accounts[i], 0)) amount += _payOut(accounts[i]);
        }
    }

    /* OWNER AND PAPERS */

    /// @inheritdoc IAssetToken
    function setDocuments(bytes32 root, string calldata metadataURI) external onlyOwner {
        _setDocuments(root, metadataURI);
    }

    /// @inheritdoc IAssetToken
    function offerOwnership(address heir_) external onlyOwner {
        heir = heir_;
        emit OwnershipOffered(msg.sender, heir_);
    }

    /// @inheritdoc IAssetToken
    function acceptOwnership() external {
        if (msg.sender != heir) revert NotHeir(msg.sender, heir);
        _requireCleared(msg.sender);
        if (_offer.fractions != 0) _setOffer(Offer({price: 0, fractions: 0, until: 0}));
        emit OwnershipTransferred(owner, msg.sender);
        (owner, heir) = (msg.sender, address(0));
    }

    /* FACTORY */

    /// @inheritdoc IAssetToken
    function issue(
        address owner_,
        uint96 supply,
        string calldata name_,
        string calldata symbol_,
        bytes32 documentsRoot,
        string calldata metadataURI
    ) external onlyFactory {
        _issue(owner_, supply, name_, symbol_);
        owner = owner_;
        emit OwnershipTransferred(address(0), owner_);
        _setDocuments(documentsRoot, metadataURI);
    }

    /// @inheritdoc IAssetToken
    function forceTransfer(
        address from,
        address to,
        uint96 fractions,
        bool withRevenue,
        string calldata reason
    ) external onlyFactory {
        _requireCleared(to);
        uint256 taken;
        if (withRevenue) {
            taken = _takeRevenue(from);
            _giveRevenue(to, taken);
        }
        _shift(from, to, fractions);
        emit ForcedTransfer(from, to, fractions, taken, reason);
    }

    /* VIEWS */

    /// @inheritdoc IAssetToken
    function offer() external view returns (Offer memory) {
        return _offer;
    }

    /// @inheritdoc IAssetToken
    function documents() external view returns (bytes32 root, string memory metadataURI) {
        return (_documentsRoot, _metadataURI);
    }

    /// @inheritdoc IAssetToken
    function purchaseDigest(Purchase calldata purchase) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    PURCHASE_TYPEHASH,
                    purchase.buyer,
                    purchase.fractions,
                    purchase.maxCost,
                    purchase.nonce,
                    purchase.deadline
                )
            )
        );
    }

    /// @inheritdoc IAssetToken
    function depositDigest(Deposit calldata deposit) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    DEPOSIT_TYPEHASH,
                    deposit.depositor,
                    deposit.amount,
                    deposit.distributionId,
                    deposit.deadline
                )
            )
        );
    }

    /* INTERNALS */

    /// @dev Fractions first, money second; either both move or none.
    function _buy(address buyer, uint96 fractions, uint256 maxCost) private returns (uint256 cost) {
        Offer memory current = _offer;
        address seller = owner;
        if (fractions == 0) revert ZeroAmount();
        if (buyer == seller) revert SelfPurchase(seller);
        if (fractions > current.fractions) revert OfferExceeded(fractions, current.fractions);
        if (block.timestamp > current.until) revert OfferEnded(current.until);
        cost = uint256(current.price) * fractions;
        if (cost > maxCost) revert CostAboveLimit(cost, maxCost);

        _offer.fractions = current.fractions - fractions;
        _move(seller, buyer, fractions);
        emit FractionsBought(buyer, seller, fractions, current.price, cost);
        if (cost != 0) _pay(buyer, seller, cost);
    }

    /// @dev The money is here before it counts.
    function _deposit(address from, uint256 amount, bytes32 distributionId) private {
        if (amount == 0) revert ZeroAmount();
        if (distributionId != 0) {
            if (isDistributed[from][distributionId]) revert DistributionRepeated(from, distributionId);
            isDistributed[from][distributionId] = true;
        }
        _pay(from, address(this), amount);
        emit RevenueDeposited(from, distributionId, amount, _addRevenue(amount));
    }

    function _payOut(address account) private returns (uint256 amount) {
        amount = _takeRevenue(account);
        if (amount == 0) return 0;
        emit RevenueClaimed(account, amount);
        paymentToken.safeTransfer(account, amount);
    }

    /// @dev Exactly `amount` arrives, or nothing happens.
    function _pay(address from, address to, uint256 amount) private {
        uint256 before = paymentToken.balanceOf(to);
        paymentToken.safeTransferFrom(from, to, amount);
        uint256 received = paymentToken.balanceOf(to) - before;
        if (received != amount) revert WrongAmountReceived(amount, received);
    }

    /// @dev A permit that somebody used before us has given its allowance all the same: taking the money will tell.
    function _usePermit(address from, Permit calldata given) private {
        if (given.value == 0) return;
        try IERC20Permit(address(paymentToken))
            .permit(from, address(this), given.value, given.deadline, given.v, given.r, given.s) {}
            catch {}
    }

    function _requireSigned(address account, uint256 deadline, bytes32 digest, bytes calldata signature)
        private
        view
    {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (failure != ECDSA.RecoverError.NoError || signer != account) revert BadSignature(account, digest);
    }

    function _setOffer(Offer memory offered) private {
        _offer = offered;
        emit OfferSet(owner, offered.price, offered.fractions, offered.until);
    }

    function _setDocuments(bytes32 root, string calldata metadataURI) private {
        (_documentsRoot, _metadataURI) = (root, metadataURI);
        emit DocumentsSet(root, metadataURI);
    }
}
