namespace HotModel.Api;

/// <summary>The relayed and the refused routes, on the web server.</summary>
internal static class RelayRouting
{
    public static void Map(IEndpointRouteBuilder routes, ChatEndpoint chat, RelayEndpoint relay)
    {
        foreach (var route in RelayedRoutes.All)
        {
            string[] methods = route.Method == HttpMethods.Get ? [HttpMethods.Get, HttpMethods.Head] : [route.Method];
            foreach (string path in route.Paths)
            {
                RequestDelegate answer = route.HasSession
                    ? chat.HandleAsync
                    : context => relay.HandleAsync(context, route, path);
                routes.MapMethods(path, methods, answer).WithMetadata(route);
            }
        }
        RefusedRoutes.Map(routes);
    }
}
