<?php
// PHP, with the server that it brings, and a path that is read as Symfony and Laravel do. To be run: `php -S HOST:PORT app.php`.

$users = json_decode(getenv('CORPUS_USERS'), true);
$routes = [
    'jobs' => '#^/api/v2/jobs$#',
    'job' => '#^/api/v2/jobs/[^/]+$#',
    'login' => '#^/api/auth/login$#',
    'search' => '#^/search/[^/]+$#',
    'files' => '#^/files/.+$#s',
    'static' => '#^/static/.+$#s',
    'public' => '#^/public/.+$#s',
    'healthz' => '#^/healthz$#',
];

$path = rawurldecode(explode('?', $_SERVER['REQUEST_URI'], 2)[0]);
$path = '/' . trim($path, '/');
$route = null;
foreach ($routes as $name => $pattern) {
    if (preg_match($pattern, $path)) {
        $route = $name;
        break;
    }
}

$user = null;
[$scheme, $secret] = explode(' ', ($_SERVER['HTTP_AUTHORIZATION'] ?? '') . ' ', 2);
if (isset($_SERVER['PHP_AUTH_USER'])) {
    $user = "{$_SERVER['PHP_AUTH_USER']}:{$_SERVER['PHP_AUTH_PW']}" === $users['basic'] ? 'basic' : null;
} elseif (strtolower($scheme) === 'token') {
    $user = trim($secret) === $users['token'] ? 'token' : null;
} elseif (($_SERVER['HTTP_X_API_KEY'] ?? null) === $users['key']) {
    $user = 'key';
} elseif (($_COOKIE['sessionid'] ?? null) === $users['session']) {
    $user = 'session';
}

$method = $_SERVER['REQUEST_METHOD'];
if ($method === 'POST') {
    $method = strtoupper($_SERVER['HTTP_X_HTTP_METHOD_OVERRIDE'] ?? $_POST['_method'] ?? $_GET['_method'] ?? 'POST');
}
$text = fn ($value) => is_array($value) ? 'an array' : $value;
$all = fn ($names, $get) => array_combine($names, array_map(fn ($name) => $text($get($name)), $names));
$header = fn ($name) => $_SERVER['HTTP_' . strtoupper(strtr($name, '-', '_'))] ?? null;
if ($route === null) {
    http_response_code(404);
    exit('{}');
}
header('X-Understood: ' . json_encode([
    'route' => $route,
    'method' => $method,
    'path' => $path,
    'host' => $_SERVER['HTTP_HOST'] ?? null,
    'user' => $user,
    'parameters' => $all(['ids_only', 'kind', 'probe'], fn ($name) => $_GET[$name] ?? null),
    'headers' => $all(['x-plan', 'x-api-key'], $header),
    'cookies' => $all(['plan'], fn ($name) => $_COOKIE[$name] ?? null),
    'quota' => $all(['ratelimit-policy', 'ratelimit'], $header),
], JSON_INVALID_UTF8_SUBSTITUTE));
echo '{}';
