# Sinatra, under Puma, as a classic application has it: with its protection against odd paths, and with methods that are overridden.
# To be run: `ruby sinatra_app.rb PORT`.

require 'base64'
require 'json'
require 'sinatra/base'

USERS = JSON.parse(ENV.fetch('CORPUS_USERS'))
ROUTES = {
  'jobs' => '/api/v2/jobs/?',
  'job' => '/api/v2/jobs/:name/?',
  'login' => '/api/auth/login',
  'search' => '/search/:name',
  'files' => '/files/*',
  'static' => '/static/*',
  'public' => '/public/*',
  'healthz' => '/healthz'
}.freeze

class App < Sinatra::Base
  set environment: :production, server: :puma, bind: '127.0.0.1', port: Integer(ARGV[0]), quiet: true
  set server_settings: { Silent: true, Threads: '1:4' }
  enable :method_override
  disable :static

  helpers do
    def header(name)
      request.get_header("HTTP_#{name.upcase.tr('-', '_')}")
    end

    def user
      scheme, secret = header('authorization').to_s.split(' ', 2)
      case scheme.to_s.downcase
      when 'token' then secret == USERS['token'] ? 'token' : nil
      when 'basic' then Base64.decode64(secret.to_s) == USERS['basic'] ? 'basic' : nil
      else
        return 'key' if header('x-api-key') == USERS['key']
        request.cookies['sessionid'] == USERS['session'] ? 'session' : nil
      end
    end

    def all(names)
      names.to_h { |name| [name, yield(name)&.to_s&.scrub] }
    end

    def told(route)
      JSON.generate(
        { route: route, method: request.request_method, path: request.path_info.scrub, host: request.host, user: user,
          # (A parameter without a value is there, as nil.)
          parameters: all(%w[ids_only kind probe]) { |name| params[name] || ('' if params.key?(name)) },
          headers: all(%w[x-plan x-api-key]) { |name| header(name) },
          cookies: all(%w[plan]) { |name| request.cookies[name] },
          quota: all(%w[ratelimit-policy ratelimit]) { |name| header(name) } },
        ascii_only: true
      )
    end
  end

  ROUTES.each do |name, pattern|
    %i[get post put patch delete].each do |method|
      send(method, pattern) do
        headers 'X-Understood' => told(name)
        '{}'
      end
    end
  end
end

App.run!
