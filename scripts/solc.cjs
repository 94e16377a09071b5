// Solidity compiler 0.8.35 from the npm package `solc` (WebAssembly) behind the command line of the native compiler:
// `--version`, and `--standard-json [--base-path P] [--include-path P] [--allow-paths P]` with the input on stdin.
// Called by scripts/solc-v0.8.35, which forge takes as its compiler and py-solc-x finds through SOLCX_BINARY_PATH=scripts.
const fs = require('node:fs')
const path = require('node:path')

const VERSION = '0.8.35+commit.47b9dedd'
const HELP = `solc, the solidity compiler commandline interface\nVersion: ${VERSION}.Emscripten.clang\n`

function writeAll(text) {
  const bytes = Buffer.from(text)
  for (let sent = 0; sent < bytes.length; ) {
    try {
      sent += fs.writeSync(1, bytes, sent)
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error // a full pipe: try again
    }
  }
}

function valuesOf(option, argumentsGiven) {
  return argumentsGiven.flatMap((value, i) => (argumentsGiven[i - 1] === option ? [value] : []))
}

function main(argumentsGiven) {
  if (argumentsGiven.includes('--version')) return writeAll(HELP)
  if (!argumentsGiven.includes('--standard-json')) {
    process.stderr.write('only --version and --standard-json are supported\n')
    process.exit(1)
  }
  const compiler = require('solc')
  if (!compiler.version().startsWith(VERSION)) {
    process.stderr.write(`expected solc ${VERSION}, found ${compiler.version()}\n`)
    process.exit(1)
  }
  const roots = [...valuesOf('--base-path', argumentsGiven), ...valuesOf('--include-path', argumentsGiven), '']
  const readImport = (name) => {
    for (const root of roots) {
      const file = path.join(root, name)
      if (fs.existsSync(file)) return { contents: fs.readFileSync(file, 'utf8') }
    }
    return { error: `File not found: ${name}` }
  }
  writeAll(compiler.compile(fs.readFileSync(0, 'utf8'), { import: readImport }))
}

main(process.argv.slice(2))
