using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace HotModel.Llama;

/// <summary>How llama-server is to be started.</summary>
/// <param name="Port">0: a free one is chosen and put into the arguments.</param>
internal sealed record RouterLaunch(string Binary, IReadOnlyList<string> Arguments, string Host, int Port)
{
    /// <summary>Beyond ours and its key.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>The same with the port that it will have, chosen here if it was 0.</summary>
    public RouterLaunch WithPort()
    {
        if (Port != 0)
            return this;
        var port = FreePort();
        return this with { Port = port, Arguments = Replace("--port", port.ToString(CultureInfo.InvariantCulture)) };
    }

    /// <summary>Where we reach it: a server that listens everywhere is reached on loopback.</summary>
    public Uri Address => AddressOf(Host, Port);

    public string? PresetPath =>
        Arguments.SkipWhile(argument => argument != "--models-preset").Skip(1).FirstOrDefault();

    public RouterLaunch WithPreset(string path) => this with { Arguments = Replace("--models-preset", path) };

    public static Uri AddressOf(string host, int port) => new UriBuilder("http", host switch
    {
        "0.0.0.0" => "127.0.0.1",
        "::" or "[::]" => "::1",
        _ => host,
    }, port).Uri;

    /// <summary>
    /// True where nobody listens there now; a name that we cannot resolve is left to the server to judge.
    /// </summary>
    /// <remarks>
    /// Asked before the start, because an answer on a taken port would come from somebody else's server.
    /// </remarks>
    public static bool IsPortFree(string host, int port)
    {
        if (!IPAddress.TryParse(host == "localhost" ? "127.0.0.1" : host, out var address))
            return true;
        try
        {
            using var listener = new TcpListener(address, port);
            listener.Start();
            return true;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode != SocketError.AddressAlreadyInUse;
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private List<string> Replace(string flag, string value)
    {
        var arguments = Arguments.ToList();
        var at = arguments.IndexOf(flag);
        if (at >= 0 && at + 1 < arguments.Count)
            arguments[at + 1] = value;
        else
            arguments.AddRange([flag, value]);
        return arguments;
    }
}
