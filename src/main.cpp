// Everything is in src/cli, so that tests can link it.
#include "cli/cli.hpp"

int main(int argc, char** argv) { return mailhaul::cli::run(argc, argv); }
