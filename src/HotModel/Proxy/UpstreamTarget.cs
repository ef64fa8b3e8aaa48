using System.Globalization;
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
        ReadOnlySpan<char> parameters = query is ['?', ..] ? query.AsSpan(1) : query;
        foreach (Range range in parameters.Split('&'))
        {
            ReadOnlySpan<char> parameter = parameters[range];
            if (!parameter.IsEmpty && !IsOurs(parameter))
                Append(target, parameter).Append('&');
        }
        if (model is not null)
            target.Append("model=").Append(Uri.EscapeDataString(model)).Append('&');
        return target.Append("autoload=false").ToString();
    }

    /// <summary>What no request line may have is escaped: Kestrel lets most of it pass.</summary>
    /// <remarks>A # too: llama-server reads nothing that stands behind it, such as autoload=false.</remarks>
    private static StringBuilder Append(StringBuilder target, ReadOnlySpan<char> parameter)
    {
        if (!parameter.ContainsAnyExceptInRange('!', '~') && !parameter.Contains('#'))
            return target.Append(parameter);
        foreach (byte value in Encoding.UTF8.GetBytes(parameter.ToString()))
        {
            if (value is >= (byte)'!' and <= (byte)'~' and not (byte)'#')
                target.Append((char)value);
            else
                target.Append(CultureInfo.InvariantCulture, $"%{value:X2}");
        }
        return target;
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
