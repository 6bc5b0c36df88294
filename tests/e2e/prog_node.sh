#!/bin/bash
# node: its thread pool does file calls from several threads.
. "$(dirname "$0")/lib.sh"
need node nodejs

setup_node() {
	mkdir lib
	seq 1 1000 >given
	cat >main.js <<'END'
const fs = require('fs'), path = require('path'), cp = require('child_process'), { part } = require('./lib/part');
(async () => {
	await fs.promises.mkdir('out/a/b', { recursive: true });
	await Promise.all([...Array(100).keys()].map(async i => {
		const f = `out/a/f${i}`;
		await fs.promises.writeFile(f, 'x'.repeat(i));
		if (i % 3 == 0) await fs.promises.rename(f, `out/a/b/g${i}`);
		if (i % 5 == 0) await fs.promises.rm(f, { force: true });
	}));
	console.log((await fs.promises.readdir('out/a')).length, (await fs.promises.readdir('out/a/b')).sort().join());
	await fs.promises.appendFile('given', 'end\n');
	await new Promise(done => fs.createReadStream('given').pipe(fs.createWriteStream('copy')).on('finish', done));
	console.log(fs.readFileSync('copy', 'utf8').length, fs.realpathSync('out/a/../a/b') == path.resolve('out/a/b'), part());
	await fs.promises.cp('out', 'out2', { recursive: true });
	await fs.promises.rm('out', { recursive: true });
	console.log(fs.existsSync('out'), fs.readdirSync('out2/a').length, fs.statSync('given').size);
	try { fs.openSync('missing'); } catch (e) { console.log(e.code, e.syscall); }
	console.log(cp.execFileSync(process.execPath, ['-e', 'console.log(process.cwd() == process.env.PWD, __filename)']).toString());
	const w = fs.watch('out2', (type, name) => { console.log('watch', type, name); w.close(); });
	setTimeout(() => fs.writeFileSync('out2/seen', ''), 50);
})();
END
	echo "exports.part = () => 'part'" >lib/part.js
}
cmd_node() { node main.js; }

both node setup_node cmd_node
finish
