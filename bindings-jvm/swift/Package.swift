// swift-tools-version:5.9
import PackageDescription

// What uniffi makes of the native half's interface; built in the release workflow (.github/workflows/release.yml), which says
// where libsinkwell_jvm lies by -Xlinker -L.
let package = Package(
    name: "Sinkwell",
    platforms: [.macOS(.v13)],
    products: [.library(name: "Sinkwell", targets: ["Sinkwell"])],
    targets: [
        .systemLibrary(name: "SinkwellFFI"),
        .target(name: "Sinkwell", dependencies: ["SinkwellFFI"], linkerSettings: [.linkedLibrary("sinkwell_jvm")]),
    ]
)
