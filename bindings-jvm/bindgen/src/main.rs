//! Writes the Kotlin half of this library's interface: `sinkwell-jvm-bindgen generate …`, called by gen.sh.

fn main() {
    uniffi::uniffi_bindgen_main();
}
