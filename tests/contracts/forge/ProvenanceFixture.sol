// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ParticipantRegistry} from "../../../contracts/src/registry/ParticipantRegistry.sol";
import {GridtraceAccessManager} from "../../../contracts/src/registry/GridtraceAccessManager.sol";
import {CarbonCredits} from "../../../contracts/src/provenance/CarbonCredits.sol";
import {Certificates} from "../../../contracts/src/provenance/Certificates.sol";
import {ProductRegistry} from "../../../contracts/src/provenance/ProductRegistry.sol";
import {Roles} from "../../../contracts/src/registry/Roles.sol";
import {Base} from "./Base.sol";

/// @notice Products, certificates and carbon credits, deployed and wired as contracts/README.md says.
abstract contract ProvenanceFixture is Base {
    uint256 internal constant NOW = 1_800_000_000;
    uint64 internal constant YEAR = 365 days;

    address internal constant REGISTRAR = address(0x4e9);
    address internal constant CERTIFIER = address(0xce47);
    address internal constant CARBON_ISSUER = address(0xca4b);
    address internal constant STRANGER = address(0x57a);
    address internal constant ANNA = address(0xa11a);
    address internal constant BEN = address(0xbe9);
    address internal constant CLEO = address(0xc1e0);
    address internal constant LAB = address(0x1ab);
    address internal constant RIVAL = address(0x417a1);
    uint32 internal constant LAB_NUMBER = 7;
    uint32 internal constant RIVAL_NUMBER = 8;

    GridtraceAccessManager internal manager;
    ParticipantRegistry internal registry;
    ProductRegistry internal products;
    Certificates internal certificates;
    CarbonCredits internal carbon;

    function setUp() public virtual {
        vm.warp(NOW);
        manager = new GridtraceAccessManager(address(this));
        registry = new ParticipantRegistry(address(manager));
        products = new ProductRegistry(registry);
        certificates = new Certificates(address(manager));
        carbon = new CarbonCredits(address(manager));

        allow(address(registry), ParticipantRegistry.setParticipant.selector, Roles.REGISTRAR, REGISTRAR);
        allow(address(certificates), Certificates.setIssuer.selector, Roles.CERTIFIER, CERTIFIER);
        allow(address(carbon), CarbonCredits.issue.selector, Roles.CARBON_ISSUER, CARBON_ISSUER);
        clear(ANNA, 3);
        clear(BEN, 1);
        clear(CLEO, 2);
        vm.prank(CERTIFIER);
        certificates.setIssuer(LAB, LAB_NUMBER);
        vm.prank(CERTIFIER);
        certificates.setIssuer(RIVAL, RIVAL_NUMBER);
    }

    function allow(address target, bytes4 selector, uint64 role, address account) internal {
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = selector;
        manager.setTargetFunctionRole(target, selectors, role);
        manager.grantRole(role, account, 0);
    }

    function clear(address account, uint8 flags) internal {
        vm.prank(REGISTRAR);
        registry.setParticipant(account, uint64(NOW) + YEAR, flags, 276);
    }
}
