// Runs as tokenwork is installed into a folder of someone's (preinstall): keeps onnxruntime-node's own installer from
// downloading CUDA libraries of some hundred MB from outside the registry. tokenwork needs none of them, and where a
// firewall lets through the registry alone that download fails the whole installation.
//
// Settings of npm's would do, but none travels with a package: .npmrc and overrides count in the root alone, and so does
// a shrinkwrap unless the registry tells of it. npm runs every package's preinstall before any postinstall, so the
// installer is told here. Who asks for the libraries (ONNXRUNTIME_NODE_INSTALL, --onnxruntime-node-install) gets
// them, and so does who depends on onnxruntime-node without tokenwork. Never fails.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const guard = `// Added by tokenwork: nothing is downloaded unless it is asked for.
if (!Object.keys(process.env).some((name) => /^(npm_config_)?onnxruntime_node_install(_cuda)?$/i.test(name))) process.exit(0);
`;

try {
  skipDownload();
} catch (error) {
  console.error(`onnxruntime-node may download its CUDA libraries: ${error.message}`);
}

function skipDownload() {
  const { npm_config_user_agent: agent = '', npm_config_local_prefix: root } = process.env;
  // In a clone .npmrc says it. Other package managers run scripts in another order, or none.
  if (!fileURLToPath(import.meta.url).includes(`${sep}node_modules${sep}`) || !agent.startsWith('npm/'))
    return;
  if (root !== undefined && dependsItself(root)) return;
  const require = createRequire(import.meta.url);
  const installer = join(dirname(require.resolve('onnxruntime-node/package.json')), 'script', 'install.js');
  const text = readFileSync(installer, 'utf8');
  if (text.startsWith(guard)) return;
  // In a place of its own first, as a cache may hold the file by a link.
  writeFileSync(`${installer}.new`, guard + text);
  renameSync(`${installer}.new`, installer);
}

/** Whether the project names onnxruntime-node itself: what it does there is not tokenwork's to change. */
function dependsItself(project) {
  try {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
    return 'onnxruntime-node' in { ...dependencies, ...devDependencies };
  } catch {
    return false;
  }
}
