// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ICarbonCredits} from "../../../contracts/src/interfaces/ICarbonCredits.sol";
import {ICertificates} from "../../../contracts/src/interfaces/ICertificates.sol";
import {IProductRegistry} from "../../../contracts/src/interfaces/IProductRegistry.sol";
import {Vm} from "./Base.sol";
import {ProvenanceFixture} from "./ProvenanceFixture.sol";

/// @notice Random life of products, certificates and credits. It replays the products' events as a stranger would who
/// knows nothing else, remembers how every certificate ended, and counts every gram.
contract ProvenanceHandler is ProvenanceFixture {
    uint256 private constant CODES = 24;
    uint256 private constant VINTAGES = 3;
    uint256 private constant LABELS = 4;

    /// @dev What the events say of a product.
    struct Replayed {
        bytes32 head;
        address owner;
        uint64 count;
    }

    address[5] internal people = [ANNA, BEN, CLEO, LAB, STRANGER];

    mapping(bytes32 productId => Replayed) private replayed;
    bytes32[] private productIds;
    mapping(uint256 code => ICertificates.State) private ended;
    mapping(uint256 code => uint256) private issues;
    mapping(uint256 code => address) private owners;
    mapping(uint256 id => uint256) private issuedG;
    mapping(uint256 id => uint256) private retiredG;

    uint256 public links;
    uint256 public brokenLinks;
    uint256 public handedOver;
    uint256 public certificatesEnded;
    uint256 public creditsRetired;
    uint256 public refused;

    constructor() {
        setUp();
        for (uint16 i; i < VINTAGES; ++i) {
            carbon.setVintage(1, i, 1_000_000, "report");
        }
    }

    /* PRODUCTS */

    function register(uint256 who, uint256 label) external {
        tryProducts(person(who), abi.encodeCall(products.register, (bytes32(label % LABELS), "sheet")));
    }

    function checkpoint(uint256 who, uint256 which, uint16 kind, bytes32 dataHash, bool stale) external {
        if (productIds.length == 0) return;
        bytes32 id = productIds[which % productIds.length];
        bytes32 previous = stale ? dataHash : products.product(id).head;
        address actor = who % 3 == 0 ? person(who) : products.product(id).owner;
        tryProducts(actor, abi.encodeCall(products.addCheckpoint, (id, previous, kind % 4, "here", dataHash)));
    }

    function allow(uint256 which, uint256 who, bool allowed) external {
        if (productIds.length == 0) return;
        bytes32 id = productIds[which % productIds.length];
        address owner = products.product(id).owner;
        tryProducts(owner, abi.encodeCall(products.setHandler, (id, person(who), allowed)));
    }

    function handOver(uint256 which, uint256 to, uint256 taker) external {
        if (productIds.length == 0) return;
        bytes32 id = productIds[which % productIds.length];
        address owner = products.product(id).owner;
        tryProducts(owner, abi.encodeCall(products.offer, (id, person(to))));
        tryProducts(person(taker % 2 == 0 ? to : taker), abi.encodeCall(products.accept, (id)));
    }

    function freeze(uint256 who, bool frozen) external {
        clear(person(who % 3), frozen ? 7 : 3);
        vm.warp(block.timestamp + who % 1000);
    }

    /* CERTIFICATES */

    function certify(uint256 who, uint256 code, uint256 to) external {
        address issuer = who % 4 == 0 ? person(who) : who % 2 == 0 ? LAB : RIVAL;
        code = codeOf(code);
        bytes memory call = abi.encodeCall(certificates.issueTo, (person(to), code));
        if (!sent(address(certificates), issuer, call)) return;
        ++issues[code];
        owners[code] = person(to);
    }

    function transfer(uint256 who, uint256 code, uint256 to) external {
        code = codeOf(code);
        address sender = who % 3 == 0 ? person(who) : owners[code];
        bytes memory call = abi.encodeCall(certificates.transferFrom, (owners[code], person(to), code));
        if (sent(address(certificates), sender, call)) owners[code] = person(to);
    }

    function approve(uint256 who, uint256 code) external {
        address owner = owners[codeOf(code)];
        sent(address(certificates), owner, abi.encodeCall(certificates.approve, (person(who), codeOf(code))));
    }

    function end(uint256 who, uint256 code, bool revoked) external {
        code = codeOf(code);
        address sender = who % 3 == 0 ? person(who) : revoked ? LAB : owners[code];
        bytes memory call = revoked
            ? abi.encodeCall(certificates.revoke, (code, "void"))
            : abi.encodeCall(certificates.retire, (code, "used"));
        if (!sent(address(certificates), sender, call)) return;
        ++certificatesEnded;
        // Ending twice would be seen below: the state no longer is the one it ended in first.
        if (ended[code] == ICertificates.State.None) {
            ended[code] = revoked ? ICertificates.State.Revoked : ICertificates.State.Retired;
        } else {
            ended[code] = ICertificates.State.Live;
        }
    }

    /* CREDITS */

    function setCap(uint256 vintage, uint64 capG) external {
        bytes memory call =
            abi.encodeCall(carbon.setVintage, (1, uint16(vintage % VINTAGES), capG % 2_000_000, "report"));
        sent(address(carbon), address(this), call);
    }

    function issueCredits(uint256 who, uint256 to, uint256 vintage, uint64 amountG) external {
        address issuer = who % 4 == 0 ? person(who) : CARBON_ISSUER;
        uint256 id = vintageOf(vintage);
        amountG %= 300_000;
        bytes memory call = abi.encodeCall(carbon.issue, (person(to), id, amountG, "monitoring"));
        if (sent(address(carbon), issuer, call)) issuedG[id] += amountG;
    }

    function moveCredits(uint256 from, uint256 to, uint256 vintage, uint64 amountG) external {
        uint256 id = vintageOf(vintage);
        amountG = uint64(bound(amountG, 0, carbon.balanceOf(person(from), id) + 1));
        bytes memory call =
            abi.encodeCall(carbon.safeTransferFrom, (person(from), person(to), id, amountG, ""));
        sent(address(carbon), person(from), call);
    }

    function retireCredits(uint256 from, uint256 vintage, uint64 amountG) external {
        uint256 id = vintageOf(vintage);
        amountG = uint64(bound(amountG, 0, carbon.balanceOf(person(from), id) + 1));
        bytes memory call = abi.encodeCall(carbon.retire, (id, amountG, person(from / 2), "claim"));
        if (!sent(address(carbon), person(from), call)) return;
        retiredG[id] += amountG;
        ++creditsRetired;
    }

    /* FOR THE INVARIANTS */

    /// @dev 13: codes issued twice, ended ones that live again, and owners who lost or gained without an act of their
    /// own.
    function brokenCertificates() external view returns (uint256 broken) {
        for (uint256 i; i < CODES; ++i) {
            uint256 code = codeOf(i);
            (ICertificates.State state, address owner,) = certificates.verify(code);
            ICertificates.State expected = ended[code];
            if (issues[code] != 0 && expected == ICertificates.State.None) {
                expected = ICertificates.State.Live;
            }
            if (issues[code] > 1 || state != expected || owner != owners[code]) ++broken;
        }
    }

    /// @dev 13: accounts whose count is not the number of certificates they own.
    function miscounted() external view returns (uint256 broken) {
        for (uint256 p; p < people.length; ++p) {
            uint256 count;
            for (uint256 i; i < CODES; ++i) {
                if (owners[codeOf(i)] == people[p]) ++count;
            }
            if (certificates.balanceOf(people[p]) != count) ++broken;
        }
    }

    /// @dev 14: vintages whose live and retired credits are not what was issued, or are beyond the cap.
    function brokenVintages() external view returns (uint256 broken) {
        for (uint256 i; i < VINTAGES; ++i) {
            uint256 id = vintageOf(i);
            ICarbonCredits.Vintage memory entry = carbon.vintageOf(id);
            uint256 liveG;
            for (uint256 p; p < people.length; ++p) {
                liveG += carbon.balanceOf(people[p], id);
            }
            bool counted = entry.issuedG == issuedG[id] && entry.retiredG == retiredG[id];
            if (!counted || liveG + retiredG[id] != issuedG[id] || issuedG[id] > entry.capG) ++broken;
        }
    }

    /// @dev 15: products that are not what their events say.
    function brokenProducts() external view returns (uint256 broken) {
        for (uint256 i; i < productIds.length; ++i) {
            Replayed memory said = replayed[productIds[i]];
            IProductRegistry.Product memory entry = products.product(productIds[i]);
            bool same = entry.head == said.head && entry.owner == said.owner && entry.count == said.count;
            if (!same) ++broken;
        }
    }

    /* REPLAY */

    function tryProducts(address sender, bytes memory call) private {
        vm.recordLogs();
        sent(address(products), sender, call);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] == IProductRegistry.ProductRegistered.selector) replayFirst(logs[i]);
            if (logs[i].topics[0] == IProductRegistry.CheckpointAdded.selector) replayLink(logs[i]);
            if (logs[i].topics[0] == IProductRegistry.ProductHandedOver.selector) ++handedOver;
        }
    }

    function replayFirst(Vm.Log memory log) private {
        bytes32 id = log.topics[1];
        address owner = address(uint160(uint256(log.topics[2])));
        (bytes32 label, uint64 time, bytes32 documentHash, bytes32 head) =
            abi.decode(log.data, (bytes32, uint64, bytes32, bytes32));
        bytes32 hashed = keccak256(abi.encode(block.chainid, log.emitter, id, owner, time, documentHash));
        if (hashed != head || replayed[id].head != 0 || id != keccak256(abi.encode(owner, label))) {
            ++brokenLinks;
        }
        productIds.push(id);
        replayed[id] = Replayed(hashed, owner, 0);
    }

    function replayLink(Vm.Log memory log) private {
        Replayed storage said = replayed[log.topics[1]];
        address actor = address(uint160(uint256(log.topics[2])));
        uint64 index = uint64(uint256(log.topics[3]));
        (uint64 time, uint16 kind, bytes32 location, bytes32 dataHash, bytes32 head) =
            abi.decode(log.data, (uint64, uint16, bytes32, bytes32, bytes32));
        bytes32 hashed = keccak256(abi.encode(said.head, index, actor, time, kind, location, dataHash));
        if (hashed != head || index != said.count + 1) ++brokenLinks;
        (said.head, said.count) = (hashed, index);
        if (kind == 0) said.owner = address(uint160(uint256(dataHash)));
        ++links;
    }

    /* HELPERS */

    function sent(address target, address sender, bytes memory data) private returns (bool ok) {
        vm.prank(sender);
        (ok,) = target.call(data);
        if (!ok) ++refused;
    }

    function person(uint256 who) private view returns (address) {
        return people[who % people.length];
    }

    function codeOf(uint256 seed) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed % CODES)));
    }

    function vintageOf(uint256 seed) private pure returns (uint256) {
        return 1 << 16 | seed % VINTAGES;
    }
}
