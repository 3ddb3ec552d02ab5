// Reads a list of resources as JSON from stdin, and writes for each what its schema has against it: a list, empty if nothing.
//
// To be run with target/manifests/node_modules as its one argument.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const modules = pathToFileURL(`${process.argv[2]}/`);
const load = (path) => import(new URL(`@kubernetes-models/${path}`, modules));

async function istio(resource) {
  const models = await load(`istio/${resource.apiVersion}/${resource.kind}.js`);
  const Model = models[resource.kind] ?? models.default[resource.kind];
  try {
    new Model(resource).validate();
    return [];
  } catch (error) {
    return [error.message];
  }
}

async function envoyGateway(resource) {
  const { validate } = await load(`envoy-gateway/_schemas/ComGithubEnvoyproxyGatewayApiV1alpha1${resource.kind}.js`);
  return validate(resource) ? [] : validate.errors;
}

async function prometheus(resource) {
  const name = `ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1${resource.kind}`;
  const { validate } = await load(`prometheus-operator/_schemas/${name}.js`);
  return validate(resource) ? [] : validate.errors;
}

const groups = {
  "extensions.istio.io/v1alpha1": istio,
  "networking.istio.io/v1alpha3": istio,
  "gateway.envoyproxy.io/v1alpha1": envoyGateway,
  "monitoring.coreos.com/v1": prometheus,
};
const found = [];
for (const resource of JSON.parse(readFileSync(0, "utf8"))) found.push(await groups[resource.apiVersion](resource));
process.stdout.write(JSON.stringify(found));
