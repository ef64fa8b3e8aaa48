using System.Text;

namespace HotModel.Proxy;

/// <summary>What stands in the request line for the upstream.</summary>
internal static class UpstreamTarget
{
    /// <param name="path">Relative to the upstream's address, escaped.</param>
    /// <param name="query">The client's, from its question mark on, or nothing.</param>
    /// <param name="model">The upstream's id where the route is told the model there.</param>
    /// <remarks>
    /// Never without autoload=false, which means something to the router alone: by the name of a model that is not
    /// loaded it would load that, and unload the active one for it.
    /// </remarks>
    public static string Of(string path, string? query, string? model = null)
    {
        var target = new StringBuilder(path, path.Length + (query?.Length ?? 0) + 64).Append('?');
        ReadOnlySpan<char> parameters = query.AsSpan().TrimStart('?');
        foreach (Range range in parameters.Split('&'))
        {
            ReadOnlySpan<char> parameter = parameters[range];
            if (!parameter.IsEmpty && !IsOurs(parameter))
                target.Append(parameter).Append('&');
        }
        if (model is not null)
            target.Append("model=").Append(Uri.EscapeDataString(model)).Append('&');
        return target.Append("autoload=false").ToString();
    }

    private static bool IsOurs(ReadOnlySpan<char> parameter)
    {
        int end = parameter.IndexOf('=');
        ReadOnlySpan<char> name = end < 0 ? parameter : parameter[..end];
        if (name.Contains('%'))
            name = Uri.UnescapeDataString(name.ToString());
        return name is "model" or "autoload";
    }
}
